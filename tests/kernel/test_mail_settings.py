"""The settings of mail: what is refused at the start, in a sentence without its value, and what is by default."""

import pytest

from app.operating.config import masked
from shared.settings import Settings, SettingsError, sender_of

WHOLE = {
    "TRELLIS_MAIL_FROM": "Trellis <no-reply@example.org>",
    "TRELLIS_PUBLIC_URL": "https://www.example.org",
    "TRELLIS_MAIL_URL": "smtp://user:pass%40word@mail.example.org:587",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("TRELLIS_DATA_DIR", str(tmp_path))
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, value)


class TestWhole:
    def test_they_are_taken(self):
        assert Settings.load().mail_url == WHOLE["TRELLIS_MAIL_URL"]

    @pytest.mark.parametrize(
        "url", ["smtps://mail.example.org", "smtp://127.0.0.1", "smtp://[::1]:25", "file:///var/mail", "smtp://u:@host"]
    )
    def test_of_other_servers_and_of_a_folder_too(self, monkeypatch, url: str):
        monkeypatch.setenv("TRELLIS_MAIL_URL", url)
        assert Settings.load().mail_url == url

    def test_the_password_is_masked_wherever_settings_are_shown(self):
        assert masked(WHOLE["TRELLIS_MAIL_URL"]) == "smtp://user:********@mail.example.org:587"

    def test_the_site_ends_without_a_slash(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_PUBLIC_URL", "https://www.example.org/app/")
        assert Settings.load().public_url == "https://www.example.org/app"

    @pytest.mark.parametrize(
        ("url", "site"),
        [
            ("https://www.example.org:443/app", "https://www.example.org/app"),
            ("http://www.example.org:80", "http://www.example.org"),
            ("https://www.example.org:80", "https://www.example.org:80"),
            ("HTTPS://WWW.Example.org", "https://www.example.org"),
            ("https://bücher.example:8443/", "https://xn--bcher-kva.example:8443"),
            ("https://straße.example", "https://xn--strae-oqa.example"),
        ],
    )
    def test_the_site_is_kept_as_browsers_write_it(self, monkeypatch, url: str, site: str):
        """Or a passkey of the site would be one of another origin."""
        monkeypatch.setenv("TRELLIS_PUBLIC_URL", url)
        assert Settings.load().public_url == site

    def test_the_sender_may_have_a_name_and_a_domain_in_unicode(self):
        sender = sender_of("Tréllis <no-reply@bücher.example>")
        assert (sender.display_name, sender.addr_spec) == ("Tréllis", "no-reply@xn--bcher-kva.example")


class TestAWrongOne:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("TRELLIS_MAIL_URL", "mail.example.org"),
            ("TRELLIS_MAIL_URL", "http://mail.example.org"),
            ("TRELLIS_MAIL_URL", "smtp://:25"),
            ("TRELLIS_MAIL_URL", "smtp://host:0"),
            ("TRELLIS_MAIL_URL", "smtp://host:65536"),
            ("TRELLIS_MAIL_URL", "smtp://host/path"),
            ("TRELLIS_MAIL_URL", "smtp://user@host"),
            ("TRELLIS_MAIL_URL", "smtp://user:p@ssword@host"),
            ("TRELLIS_MAIL_URL", "smtp://user:pass word@host"),
            ("TRELLIS_MAIL_URL", "smtp://user:pass#word@host"),
            ("TRELLIS_MAIL_URL", "file://host/folder"),
            ("TRELLIS_MAIL_FROM", "no address"),
            ("TRELLIS_MAIL_FROM", "ann@example.org, bob@example.org"),
            ("TRELLIS_MAIL_FROM", "Trellis <no-reply@example.org>\nBcc: bob@example.org"),
            ("TRELLIS_MAIL_FROM", "änn@example.org"),
            ("TRELLIS_PUBLIC_URL", "www.example.org"),
            ("TRELLIS_PUBLIC_URL", "ftp://www.example.org"),
            ("TRELLIS_PUBLIC_URL", "https://www.example.org?page=1"),
            ("TRELLIS_PUBLIC_URL", "https://www.example.org#top"),
            ("TRELLIS_PUBLIC_URL", "https://xn--a"),
        ],
    )
    def test_is_refused_without_its_value(self, monkeypatch, name: str, value: str):
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError, match=rf"^{name} (is no|has a user)[^\n]+$") as refused:
            Settings.load()
        assert value not in str(refused.value)

    @pytest.mark.parametrize("missing", ["TRELLIS_MAIL_FROM", "TRELLIS_PUBLIC_URL"])
    def test_a_server_needs_the_others(self, monkeypatch, missing: str):
        monkeypatch.delenv(missing)
        with pytest.raises(SettingsError, match=rf"^TRELLIS_MAIL_URL needs {missing} beside it$"):
            Settings.load()


class TestWithoutThem:
    @pytest.fixture(autouse=True)
    def unset(self, monkeypatch) -> None:
        for name in WHOLE:
            monkeypatch.delenv(name)

    def test_there_is_no_mail_over_your_own_database(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        assert (Settings.load().mail_url, Settings.load().mail_folder) == (None, None)

    def test_it_goes_to_the_data_folder_over_the_embedded_one(self, tmp_path):
        settings = Settings.load().over_embedded("postgresql://x/y")
        assert settings.mail_folder == Settings.load().mail_folder == tmp_path / "mail"
        assert settings.public_url == "http://127.0.0.1:8000"

    @pytest.mark.parametrize(("port", "site"), [("80", "http://127.0.0.1"), ("443", "http://127.0.0.1:443")])
    def test_the_site_at_a_port_of_a_scheme_is_as_browsers_write_it(self, monkeypatch, port: str, site: str):
        monkeypatch.setenv("PORT", port)
        assert Settings.load().over_embedded("postgresql://x/y").public_url == site
