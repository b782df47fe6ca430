"""`trellis mail`: the mails that are kept in a folder."""

import asyncio
import json

import pytest
from click.testing import CliRunner, Result

from app.mail import mail_command
from shared.mail import Mail, Mailer
from shared.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path) -> None:
    for name in ("DATABASE_URL", "TRELLIS_MAIL_URL", "TRELLIS_MAIL_FROM", "TRELLIS_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRELLIS_DATA_DIR", str(tmp_path / "data"))


def mail(*arguments: str) -> Result:
    return CliRunner().invoke(mail_command(), [*arguments])


def kept(*subjects: str) -> None:
    """Mails, as a server over the embedded database keeps them."""
    mailer = Mailer(Settings.load().over_embedded("postgresql://nowhere/none"))
    for subject in subjects:
        asyncio.run(mailer.send(Mail("ann@example.com", subject, f"Text of {subject}: é\n", "<p></p>")))


class TestList:
    def test_has_the_newest_first(self):
        kept("one", "two", "three")
        assert [line.rsplit("  ", 2)[1:] for line in mail("list", "--limit", "2").stdout.splitlines()] == [
            ["ann@example.com", "three"],
            ["ann@example.com", "two"],
        ]

    def test_is_told_to_programs_without_the_texts(self):
        kept("one")
        (found,) = json.loads(mail("list", "--json").stdout)
        assert found.keys() == {"name", "at", "to", "subject"}

    def test_passes_over_what_others_keep_there(self, tmp_path):
        kept("one")
        (tmp_path / "data" / "mail" / "others.eml").write_text("no mail\n")
        (line,) = mail("list").stdout.splitlines()
        assert line.endswith("one")


class TestShow:
    def test_shows_the_newest(self):
        kept("one", "two")
        assert mail("show").stdout == "To: ann@example.com\nSubject: two\n\nText of two: é\n"

    def test_shows_another_by_its_name(self):
        kept("one", "two")
        name = json.loads(mail("list", "--json").stdout)[-1]["name"]
        assert json.loads(mail("show", name, "--json").stdout)["subject"] == "one"

    @pytest.mark.parametrize(("arguments", "told"), [((), "There is no mail."), (("x",), "There is no such mail.")])
    def test_says_what_is_not_there(self, arguments, told):
        shown = mail("show", *arguments)
        assert (shown.exit_code, shown.stderr) == (1, f"Error: {told}\n")

    def test_says_that_none_is_kept_where_it_is_sent(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_MAIL_FROM", "no-reply@example.org")
        monkeypatch.setenv("TRELLIS_PUBLIC_URL", "https://www.example.org")
        monkeypatch.setenv("TRELLIS_MAIL_URL", "smtp://127.0.0.1")
        assert "No mail is kept in a folder" in mail("show").stderr

    def test_says_that_none_is_kept_with_your_own_database(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere/none")
        assert "No mail is kept in a folder" in mail("list").stderr
