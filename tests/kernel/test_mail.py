"""How mail is made and sent: to a real server, and into a folder."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.mail import Mail, Mailer, MailNotSent, Templates
from shared.settings import Settings
from tests.mails import MailServer, text_of

MAIL = Mail("ann@example.com", "Hello", "Text: é\n", "<p>é</p>\n")
CERTIFICATE = Path(__file__).parent / "localhost.pem"
"""A key, and its certificate for `localhost`, for a hundred years: openssl req -x509 -newkey ec -nodes -days 36500 …"""
SENDER = "Trellis <no-reply@example.org>"


def mailer(url: str | None) -> Mailer:
    return Mailer(Settings(mail_from=SENDER, public_url="https://www.example.org", mail_url=url))


@contextmanager
def serving(**options) -> Iterator[MailServer]:
    server = MailServer(**options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest.fixture
def trusted(monkeypatch) -> None:
    """The certificate is one that the machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


class TestAMail:
    async def test_arrives_as_text_and_as_html(self, mail_server: MailServer):
        await mailer(f"smtp://127.0.0.1:{mail_server.port}").send(MAIL)
        (mail,) = mail_server.mails
        assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, "ann@example.com", "Hello")
        assert mail["Date"]
        assert mail["Message-ID"].endswith("@example.org>")
        assert (text_of(mail), text_of(mail, "html")) == ("Text: é\n", "<p>é</p>\n")

    @pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\r\n\r\n", "\x0b", "\x0c", "\x85", "\u2028"])
    async def test_has_no_header_but_ours_whatever_its_subject_is(self, mail_server: MailServer, end: str):
        subject = f"Hello{end}Bcc: mallory@example.com{end}X-Ours: no"
        await mailer(f"smtp://127.0.0.1:{mail_server.port}").send(MAIL._replace(subject=subject))
        (mail,) = mail_server.mails
        assert (mail["Bcc"], mail["X-Ours"]) == (None, None)
        assert mail_server.envelopes[0].rcpt_tos == ["ann@example.com"]

    @pytest.mark.parametrize(
        "address",
        [
            "ann@example.com\r\nBcc: mallory@example.com",
            "ann@example.com, mallory@example.com",
            "ann",
            "",
            "<a@b.cd>\n",
            "0b5c@service.invalid",
        ],
    )
    async def test_is_given_up_for_what_is_no_address(self, mail_server: MailServer, address: str, caplog):
        """A later try would find the same."""
        await mailer(f"smtp://127.0.0.1:{mail_server.port}").send(MAIL._replace(to=address))
        assert mail_server.mails == []
        assert [record.message for record in caplog.records] == [
            "A mail is not sent: it is for what is no e-mail address."
        ]

    async def test_goes_to_an_international_domain_in_ascii(self, mail_server: MailServer):
        await mailer(f"smtp://127.0.0.1:{mail_server.port}").send(MAIL._replace(to="ann@bücher.example"))
        assert mail_server.envelopes[0].rcpt_tos == ["ann@xn--bcher-kva.example"]
        assert mail_server.mails[0]["To"] == "ann@xn--bcher-kva.example"

    async def test_goes_to_an_international_address_where_the_server_takes_such(self):
        with serving(enable_SMTPUTF8=True) as server:
            await mailer(f"smtp://127.0.0.1:{server.port}").send(MAIL._replace(to="änn@example.com"))
            assert server.envelopes[0].rcpt_tos == ["änn@example.com"]

    async def test_is_given_up_where_the_server_takes_no_international_address(self, caplog):
        with serving(enable_SMTPUTF8=False) as server:
            await mailer(f"smtp://127.0.0.1:{server.port}").send(MAIL._replace(to="änn@example.com"))
            assert server.mails == []
        assert [record.message for record in caplog.records] == [
            "A mail is not sent: the server takes no addresses outside of ASCII."
        ]


class TestAServer:
    async def test_that_refuses_a_recipient_for_now_is_asked_again(self, mail_server: MailServer):
        mail_server.answers["ann@example.com"] = "450 ann@example.com is busy"
        with pytest.raises(MailNotSent, match=r"^The mail server does not take the recipient now: 450\.$"):
            await mailer(f"smtp://127.0.0.1:{mail_server.port}").send(MAIL)

    async def test_that_refuses_a_recipient_for_good_is_not(self, mail_server: MailServer, caplog):
        mail_server.answers["ann@example.com"] = "550 ann@example.com is unknown"
        await mailer(f"smtp://127.0.0.1:{mail_server.port}").send(MAIL)
        assert [record.message for record in caplog.records] == [
            "A mail is not sent: the server refuses its recipient for good, with 550."
        ]

    async def test_that_is_not_there_is_told_of_without_credentials(self):
        with pytest.raises(MailNotSent, match="cannot be used") as error:
            await mailer("smtp://ann:secret@127.0.0.1:1").send(MAIL)
        assert "secret" not in str(error.value)

    async def test_gets_no_credentials_without_tls(self):
        with serving() as server:
            with pytest.raises(MailNotSent, match="STARTTLS extension not supported"):
                await mailer(f"smtp://ann:secret@localhost:{server.port}").send(MAIL)
            assert (server.credentials, server.mails) == ([], [])

    async def test_gets_credentials_after_starttls(self, tls, trusted):
        with serving(tls_context=tls, auth_required=True) as server:
            await mailer(f"smtp://a%40b:s%3Acret@localhost:{server.port}").send(MAIL)
            assert server.credentials == [(b"a@b", b"s:cret")]
            assert len(server.mails) == 1

    async def test_gets_no_credentials_with_a_certificate_that_nobody_trusts(self, tls):
        with serving(tls_context=tls) as server:
            with pytest.raises(MailNotSent):
                await mailer(f"smtp://ann:secret@localhost:{server.port}").send(MAIL)
            assert (server.credentials, server.mails) == ([], [])

    async def test_without_credentials_may_have_any_certificate(self, tls):
        """A relay on the same machine often has one that it made itself."""
        with serving(tls_context=tls) as server:
            await mailer(f"smtp://localhost:{server.port}").send(MAIL)
            assert len(server.mails) == 1

    async def test_may_speak_tls_from_the_first_byte(self, tls, trusted):
        with serving(ssl_context=tls, auth_require_tls=False) as server:
            await mailer(f"smtps://ann:secret@localhost:{server.port}").send(MAIL)
            assert len(server.mails) == 1


class TestReaching:
    async def test_a_server_sends_no_mail(self, mail_server: MailServer):
        await mailer(f"smtp://127.0.0.1:{mail_server.port}").reach()
        assert mail_server.mails == []

    @pytest.mark.parametrize("lets_in", [True, False])
    async def test_a_server_shows_whether_it_takes_the_credentials(self, tls, trusted, lets_in: bool):
        with serving(ssl_context=tls, auth_require_tls=False) as server:
            server.lets_in = lets_in
            reaching = mailer(f"smtps://ann:secret@localhost:{server.port}").reach()
            if lets_in:
                await reaching
            else:
                with pytest.raises(MailNotSent, match=r"^The mail server says 535\.$"):
                    await reaching
            assert {*server.credentials} == {(b"ann", b"secret")}

    async def test_one_that_does_not_answer_tells_why(self):
        with pytest.raises(MailNotSent, match=r"^The mail server cannot be used: "):
            await mailer("smtp://ann:secret@127.0.0.1:1").reach()

    async def test_a_folder_makes_none(self, tmp_path: Path):
        await mailer((tmp_path / "mail").as_uri()).reach()
        assert not (tmp_path / "mail").exists()


class TestAFolder:
    async def test_keeps_mail_for_its_owner_alone(self, tmp_path: Path):
        folder = tmp_path / "a folder"
        await mailer(folder.as_uri()).send(MAIL)
        (file,) = folder.iterdir()
        assert (file.suffix, file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (".eml", 0o600, 0o700)


class TestNoMail:
    def test_is_not_configured_and_reaches_nobody(self):
        assert (mailer(None).is_configured, mailer(None).reaches_people) == (False, False)

    def test_in_a_folder_is_configured_and_reaches_nobody(self, tmp_path: Path):
        kept = mailer(tmp_path.as_uri())
        assert (kept.is_configured, kept.reaches_people) == (True, False)

    def test_by_a_server_reaches_people(self):
        sent = mailer("smtp://127.0.0.1")
        assert (sent.is_configured, sent.reaches_people) == (True, True)


class TestATemplate:
    def test_begins_with_the_subject_and_is_escaped_in_html(self, tmp_path: Path):
        (tmp_path / "hello.txt").write_text("Hello {{ name }}\n\nYou are {{ name }}.\n")
        (tmp_path / "hello.html").write_text('{% extends "layout.html" %}{% block body %}{{ name }}{% endblock %}')
        mail = Templates(tmp_path).mail("hello", "ann@example.com", name="<b>")
        assert (mail.subject, mail.text) == ("Hello <b>", "You are <b>.\n")
        assert "<title>Hello &lt;b&gt;</title>" in mail.html
        assert "<body" in mail.html
