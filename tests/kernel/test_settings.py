"""Settings from the environment."""

import errno
import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from shared.settings import Settings, SettingsError, strangers

SECONDS = ("TRELLIS_SHUTDOWN_SECONDS", "TRELLIS_POOL_WAIT_SECONDS", "TRELLIS_STATEMENT_SECONDS")
NUMBERS = (
    "TRELLIS_MAX_BODY_BYTES",
    "TRELLIS_MAX_IMPORT_BYTES",
    "TRELLIS_POOL_SIZE",
    "TRELLIS_ACCESS_TOKEN_SECONDS",
    "TRELLIS_REFRESH_TOKEN_SECONDS",
    "TRELLIS_RETENTION_DAYS",
    "TRELLIS_JOURNAL_DAYS",
    "TRELLIS_ARGON2_MEMORY_KIB",
    "TRELLIS_ARGON2_ITERATIONS",
)
STRONG = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in ("DATABASE_URL", "PORT", "TRELLIS_SECRET", "TRELLIS_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRELLIS_DATA_DIR", str(tmp_path / "data"))


class TestTheSecret:
    def test_is_required_in_production(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        with pytest.raises(SettingsError, match="TRELLIS_SECRET is not set"):
            Settings.load().with_secret()

    @pytest.mark.parametrize("weak", ["x" * 31, "x" * 100, "abcabcabc" * 10])
    def test_that_is_weak_is_refused_everywhere_and_not_told(self, monkeypatch, weak):
        monkeypatch.setenv("TRELLIS_SECRET", weak)
        with pytest.raises(SettingsError, match="TRELLIS_SECRET is too weak") as refused:
            Settings.load()
        assert weak not in str(refused.value)

    def test_is_made_once_and_kept_over_the_embedded_database(self):
        made = Settings.load().with_secret().key("tests")
        assert len(made) == 32
        assert Settings.load().with_secret().key("tests") == made

    def test_is_made_in_development_too(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        monkeypatch.setenv("TRELLIS_ENVIRONMENT", "development")
        assert Settings.load().with_secret().key("tests")

    def test_is_the_same_for_all_who_start_at_once(self):
        with ThreadPoolExecutor(8) as threads:
            keys = set(threads.map(lambda _: Settings.load().with_secret().key("tests"), range(8)))
        assert len(keys) == 1

    def test_needs_no_mount_with_hard_links(self, monkeypatch):
        def refuse(*_):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        made = Settings.load().with_secret().key("tests")
        assert Settings.load().with_secret().key("tests") == made

    @pytest.mark.parametrize("kept", [b"", b"short", b"x" * 64, b"\xff" * 64])
    def test_that_is_kept_is_checked_too(self, tmp_path, kept):
        """An empty file, after a power cut, would be an empty key: everybody could sign."""
        secret = tmp_path / "data" / "secret"
        secret.parent.mkdir()
        secret.write_bytes(kept)
        with pytest.raises(SettingsError) as refused:
            Settings.load().with_secret()
        assert str(secret) in str(refused.value)

    def test_is_on_the_disk_before_others_see_it(self, monkeypatch, tmp_path):
        seen, fsync = [], os.fsync

        def watched(fd):
            seen.append((tmp_path / "data" / "secret").exists())
            fsync(fd)

        monkeypatch.setattr(os, "fsync", watched)
        Settings.load().with_secret()
        assert seen == [False]

    def test_that_cannot_be_kept_is_told_in_a_sentence(self, tmp_path):
        (tmp_path / "data").write_text("not a folder")
        with pytest.raises(SettingsError, match="The secret cannot be kept"):
            Settings.load().with_secret()

    def test_does_not_show_when_settings_are_printed(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_SECRET", STRONG)
        assert STRONG not in repr(Settings.load())

    def test_that_was_never_asked_for_cannot_sign(self):
        with pytest.raises(SettingsError):
            Settings.load().key("tests")


class TestASettingThatIsWrong:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "70000"),
            ("TRELLIS_POOL_SIZE", "-7"),
            ("TRELLIS_ENVIRONMENT", "prod"),
            ("TRELLIS_STATEMENT_SECONDS", "-1"),
            ("DATABASE_URL", "foo"),
            ("DATABASE_URL", "mysql://ann:secret@host/x"),
            ("DATABASE_URL", "postgresql://host:port/x"),
            ("DATABASE_URL", "postgresql://host/x?nonsense=1"),
            *((name, value) for name in SECONDS for value in ("0", "0.0001", "1e12", "inf", "nan", "1e400")),
            *((name, value) for name in NUMBERS for value in ("0", "10000000000000", "9" * 30, "1.5", "nan")),
        ],
    )
    def test_is_named_without_its_value(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError, match=name) as refused:
            Settings.load()
        (sentence,) = str(refused.value).splitlines()
        assert not re.search(rf"\b{re.escape(value)}\b", sentence) or value == "0"

    def test_that_is_as_long_as_possible_is_still_a_time_ago(self, monkeypatch):
        for name in ("TRELLIS_RETENTION_DAYS", "TRELLIS_JOURNAL_DAYS"):
            monkeypatch.setenv(name, "36500")
        settings = Settings.load()
        assert datetime.now(UTC) - settings.retention - settings.journal_retention


class TestAVariableThatIsNoSetting:
    @pytest.mark.parametrize(
        ("variable", "meant"),
        [
            ("TRELLIS_POLL_SIZE", "TRELLIS_POOL_SIZE"),
            ("TRELLIS_RETENTION_DAY", "TRELLIS_RETENTION_DAYS"),
            ("TRELLIS_SECRETS", "TRELLIS_SECRET"),
            ("trellis_hots", "TRELLIS_HOST"),
            ("TRELLIS_DATABASE_URL", "DATABASE_URL"),
            ("TRELLIS_PORT", "PORT"),
        ],
    )
    def test_is_told_with_the_one_that_may_be_meant(self, variable, meant):
        assert list(strangers({variable: "hunter2"})) == [
            f"{variable} is no setting of this version. Is {meant} meant?"
        ]

    def test_is_told_where_none_is_like_it(self):
        assert list(strangers({"TRELLIS_ZEBRA": "x"})) == ["TRELLIS_ZEBRA is no setting of this version."]

    def test_is_not_one_that_is_a_setting_or_anothers(self):
        own = {"TRELLIS_PORT", "TRELLIS_DATABASE_URL", "TRELLIS_PROXIES"}
        known = {f"TRELLIS_{name.upper()}" for name in Settings.model_fields} - own
        others = {"PATH", "PORT", "DATABASE_URL", "trellis_pool_size", "MY_TRELLIS_SECRET"}
        assert list(strangers(dict.fromkeys(known | others, "x"))) == []

    def test_is_not_one_that_kubernetes_makes_for_a_service_called_trellis(self):
        made = (
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "PORT_80_TCP",
            "PORT_80_TCP_ADDR",
            "PORT_80_UDP_PORT",
        )
        variables = {f"TRELLIS_{name}": "10.0.0.1" for name in made} | {"TRELLIS_PORT": "tcp://10.0.0.1:80"}
        assert list(strangers(variables)) == []


class TestTheDatabase:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://u:a%20pass@h/db",
            "postgresql://ann%20lee:p%40%2F%3A%25@h/my%20db",
            "postgresql:///db?host=/tmp/my%20sockets",
            "postgresql://%2Ftmp%2Fmy%20sockets/db",
            "postgresql://h/db?options=-c%20search_path%3Dapp",
            "postgresql:///db?host=h1:1&host=h2:2",
            "postgresql://h1:1,h2:2/db?target_session_attrs=read-write",
            "postgresql://h1,h2/db?port=1,2",
            "postgresql://u:what?#@h/db",
            "postgresql://[::1]:5432/db",
            "postgresql://[fe80::1%25eth0]/db",
            "postgresql://?service=x",
            "postgresql:///",
            "postgresql://",
            "postgresql://u@h/db?passfile=/tmp/pass%20file&sslmode=verify-full&sslrootcert=system",
        ],
    )
    def test_is_left_to_libpq_as_it_was_written(self, monkeypatch, url):
        monkeypatch.setenv("DATABASE_URL", f" {url}\n")
        assert Settings.load().database_url == url

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://u:hunter 2@h/db",
            "postgresql:///db?host=/tmp/my sockets",
            "postgresql://u:hunter%@h/db",
            "postgresql://u:hunter%zz@h/db",
            "postgresql://u:hunter%ff@h/db",
            "postgresql://h/db?application_name=%c3",
            "postgresql://u:hunter@2@h/db",
            "postgresql://u:hunter/2@h/db",
            "postgresql://u:12/hunter@h/db",
            "postgresql://u:hun?ter@2@h/db",
            "postgresql://u:hun?ter/2@h/db",
            "postgresql://u:12?/hunter@h/db",
            "postgresql://u:p@h:0/db",
            "postgresql://u:p@h:65536/db",
            "postgresql://u:p@h:1,h2:x/db",
            "postgresql://u:p@[::1/db",
            "postgresql+asyncpg://u:p@h/db?ssl=require&timeout=3",
            "host=h dbname=db",
            "HTTP://h/db",
            '"postgresql://u:hunter@h/db"',
        ],
    )
    def test_of_a_url_that_would_be_read_otherwise_is_refused_without_a_word_of_it(self, monkeypatch, url):
        monkeypatch.setenv("DATABASE_URL", url)
        with pytest.raises(SettingsError, match=r"^DATABASE_URL is no URL of a PostgreSQL, like ") as refused:
            Settings.load()
        (sentence,) = str(refused.value).splitlines()
        assert "hunter" not in sentence

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
    def test_has_one_spelling(self, monkeypatch, scheme):
        monkeypatch.setenv("DATABASE_URL", f"{scheme}://ann:p%40ss@host:5432/x?sslmode=require")
        assert Settings.load().database_url == "postgresql://ann:p%40ss@host:5432/x?sslmode=require"

    def test_of_an_empty_variable_is_the_embedded_one(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "")
        assert Settings.load().database_url is None


class TestOtherWaysToTheDatabase:
    def test_are_urls_too_and_replicas_may_be_several(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        monkeypatch.setenv("TRELLIS_POOLED_URL", "postgres://pooler:6432/y")
        monkeypatch.setenv("TRELLIS_REPLICA_URLS", " postgresql://a/y \n postgresql+psycopg://b,c/y ")
        settings = Settings.load()
        assert settings.pooled_url == "postgresql://pooler:6432/y"
        assert settings.replica_urls == "postgresql://a/y postgresql://b,c/y"

    @pytest.mark.parametrize("name", ["TRELLIS_POOLED_URL", "TRELLIS_REPLICA_URLS"])
    def test_are_refused_when_wrong_and_without_the_database_itself(self, monkeypatch, name):
        """Migrations and writes need that."""
        monkeypatch.setenv(name, "postgresql://x/y")
        with pytest.raises(SettingsError, match=f"^{name} needs DATABASE_URL beside it"):
            Settings.load()
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        monkeypatch.setenv(name, "postgresql://x/y mysql://secret/y")
        with pytest.raises(SettingsError, match=f"^{name} is no URL of a PostgreSQL, like ") as refused:
            Settings.load()
        assert "secret" not in str(refused.value)


class TestTheEnvironment:
    def test_is_production_over_a_database_of_your_own(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        assert Settings.load().environment == "production"

    def test_says_how_long_a_server_drains(self, monkeypatch):
        assert Settings.load().drain_seconds == 0
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        assert Settings.load().drain_seconds == 5

    def test_is_development_over_the_embedded_one(self):
        assert Settings.load().environment == "development"

    def test_cannot_be_production_over_the_embedded_one(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_ENVIRONMENT", "production")
        with pytest.raises(SettingsError, match="TRELLIS_ENVIRONMENT is production, but DATABASE_URL is not set"):
            Settings.load()

    def test_is_no_second_complaint_about_a_wrong_database(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "foo")
        with pytest.raises(SettingsError) as refused:
            Settings.load()
        assert len(str(refused.value).splitlines()) == 1


class TestALimit:
    @pytest.mark.parametrize("variable", ["TRELLIS_CREDENTIAL_LIMIT", "TRELLIS_ADDRESS_LIMIT"])
    def test_is_there_in_production_and_can_be_turned_off(self, monkeypatch, variable):
        name = variable.removeprefix("TRELLIS_").lower()
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        monkeypatch.setenv("TRELLIS_ENVIRONMENT", "development")
        assert getattr(Settings.load(), name) == "off"
        monkeypatch.setenv("TRELLIS_ENVIRONMENT", "production")
        assert getattr(Settings.load(), name).endswith("000/10")
        monkeypatch.setenv(variable, "off")
        assert getattr(Settings.load(), name) == "off"

    @pytest.mark.parametrize("given", ["none", "0/10", "10/0", "10", "1.5/10", "-1/1", "10/1/1", "1e9/1", "١/1"])
    def test_that_is_none_is_refused(self, monkeypatch, given):
        monkeypatch.setenv("TRELLIS_ADDRESS_LIMIT", given)
        with pytest.raises(SettingsError, match=r"^TRELLIS_ADDRESS_LIMIT has to be units and seconds, such as 1000/10"):
            Settings.load()
