"""Settings from the environment."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.settings import Settings, SettingsError

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
        made = Settings.load().with_secret().signing_key
        assert len(made) >= 32
        assert Settings.load().with_secret().signing_key == made

    def test_is_made_in_development_too(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        monkeypatch.setenv("TRELLIS_ENVIRONMENT", "development")
        assert Settings.load().with_secret().signing_key

    def test_is_the_same_for_all_who_start_at_once(self):
        with ThreadPoolExecutor(8) as threads:
            keys = set(threads.map(lambda _: Settings.load().with_secret().signing_key, range(8)))
        assert len(keys) == 1

    def test_needs_no_mount_with_hard_links(self, monkeypatch):
        def refuse(*_):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        made = Settings.load().with_secret().signing_key
        assert Settings.load().with_secret().signing_key == made

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
            _ = Settings.load().signing_key


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
        ],
    )
    def test_is_named_without_its_value(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError, match=name) as refused:
            Settings.load()
        assert value not in str(refused.value).replace("'production'", "")


class TestTheDatabase:
    @pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
    def test_has_one_spelling(self, monkeypatch, scheme):
        monkeypatch.setenv("DATABASE_URL", f"{scheme}://ann:p%40ss@host:5432/x?sslmode=require")
        assert Settings.load().database_url == "postgresql://ann:p%40ss@host:5432/x?sslmode=require"

    def test_of_an_empty_variable_is_the_embedded_one(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "")
        assert Settings.load().database_url is None


class TestTheEnvironment:
    def test_is_production_over_a_database_of_your_own(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        assert Settings.load().environment == "production"

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
