"""Mails in tests: a real SMTP server that keeps what it takes, and the application with it as its mail server."""

import email
import re
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.asgi import create_app
from app.container import Application, compose
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import anonymous
from tests.database import RolledBackDatabase

SITE = "https://www.example.org"


class MailServer(Controller):
    """An SMTP server on the loopback interface."""

    def __init__(self, **options: Any) -> None:
        """The options are aiosmtpd's; `authenticator` takes credentials."""
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.credentials: list[tuple[bytes, bytes]] = []
        self.answers: dict[str, str] = {}
        """What is said to a recipient who is not taken."""
        self.lets_in = True
        """Who has credentials, be they what they may."""
        super().__init__(self, hostname="127.0.0.1", port=0, authenticator=self._sign_in, **options)

    def _trigger_server(self) -> None:
        """It listens on any free port, and says so too late."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    def _sign_in(self, *arguments: Any) -> AuthResult:
        self.credentials.append((arguments[-1].login, arguments[-1].password))
        return AuthResult(success=self.lets_in, handled=False)  # The server says so itself.

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.mails.append(email.message_from_bytes(envelope.original_content or b"", policy=SMTP))
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        """The mails to an address."""
        return [mail for mail in self.mails if mail["To"] == address]


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """What stands in a mail."""
    return str(mail.get_body((kind,)).get_content()).replace("\r\n", "\n")


def token_in(mail: EmailMessage) -> str:
    """The token in the link of a mail, which the text and the HTML have alike."""
    found = {*re.findall(r"#token=([\w-]+)", text_of(mail)), *re.findall(r"#token=([\w-]+)", text_of(mail, "html"))}
    (token,) = found
    return str(token)


@pytest.fixture(scope="session")
def _mail_server() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mail_server(_mail_server: MailServer) -> MailServer:
    """The server of `mailing`, without mails."""
    _mail_server.mails.clear()
    _mail_server.envelopes.clear()
    _mail_server.answers.clear()
    return _mail_server


@pytest.fixture(scope="session")
async def mailing_application(settings: Settings, application: Application, _mail_server: MailServer) -> Application:
    """The application on the same database, with a mail server."""
    mail = {"mail_url": f"smtp://127.0.0.1:{_mail_server.port}", "mail_from": "Trellis <no-reply@example.org>"}
    mailing = compose(settings.model_copy(update={**mail, "public_url": SITE}), discover())
    mailing.kernel.database.override(application.kernel.database())
    return mailing


@pytest.fixture(scope="session")
def keeping_app(settings: Settings, application: Application, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The ASGI application as it is over the embedded database: mail goes to a folder."""
    mail = {"mail_url": tmp_path_factory.mktemp("mail").as_uri(), "mail_from": "no-reply@example.org"}
    keeping = compose(settings.model_copy(update={**mail, "public_url": SITE}), discover())
    keeping.kernel.database.override(application.kernel.database())
    return create_app(keeping)


@pytest.fixture(scope="session")
def mailing_app(mailing_application: Application) -> FastAPI:
    """Its ASGI application."""
    return create_app(mailing_application)


@pytest.fixture
async def mailing(mailing_app: FastAPI, database: RolledBackDatabase) -> AsyncIterator[AsyncClient]:
    """A caller without credentials, of the application that mails."""
    async with anonymous(mailing_app) as client:
        yield client
