"""The mailer: sends mail by SMTP, or keeps it in a folder."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import uuid4

import aiosmtplib

from shared.mail.mail import Mail, NoAddress
from shared.settings import MailSettings, folder_of, sender_of

SECONDS = 30
"""How long a server may take for one mail, from the connection to its receipt."""
SMTP_PORT, SUBMISSION_PORT, TLS_PORT = 25, 587, 465
"""Where a server listens: for other servers, and for who signs in (RFC 6409, RFC 8314)."""


log = logging.getLogger("trellis")


class MailNotSent(Exception):
    """The server did not take a mail; it may take it later. The message says why, and quotes no address."""


class Mailer:
    """Sends mail, where the operator has said how."""

    def __init__(self, settings: MailSettings) -> None:
        self._url = urlsplit(settings.mail_url or "")
        self._sender = sender_of(settings.mail_from) if settings.mail_from else Address()
        self._folder = folder_of(settings.mail_url or "")
        self.is_configured = settings.mail_url is not None
        """Whether mail is sent, or kept where an operator reads it."""
        self.reaches_people = self.is_configured and self._folder is None
        """Whether it is sent to whom it is for."""

    async def send(self, mail: Mail) -> None:
        """Send a mail, within SECONDS. Raises MailNotSent when another try may help; of what is refused for good, or is
        for no address, the log tells. Call it in a job, before the first statement of that: no transaction waits for
        another machine.
        """
        try:
            message = mail.message(self._sender)
        except NoAddress:
            log.warning("A mail is not sent: it is for what is no e-mail address.")
            return
        if self._folder is not None:
            await asyncio.to_thread(_keep, self._folder, message)
            return
        async with _connected(self._url) as server:
            try:
                await server.send_message(message)
            except aiosmtplib.SMTPRecipientsRefused as error:
                code = error.recipients[0].code
                if code < 500:  # RFC 5321 §4.2.1
                    raise MailNotSent(f"The mail server does not take the recipient now: {code}.") from None
                log.warning("A mail is not sent: the server refuses its recipient for good, with %d.", code)
            except aiosmtplib.SMTPNotSupported as error:
                if "SMTPUTF8" not in str(error):
                    raise
                log.warning("A mail is not sent: the server takes no addresses outside of ASCII.")

    async def reach(self) -> None:
        """Connect to the mail server, and sign in where there are credentials, within SECONDS. Raises MailNotSent when
        no mail could be sent just now. Without a server there is nothing to reach.
        """
        if self.reaches_people:
            async with _connected(self._url):
                pass


@asynccontextmanager
async def _connected(url: SplitResult) -> AsyncIterator[aiosmtplib.SMTP]:
    """The mail server, which has SECONDS for all that is done with it. Raises MailNotSent for what goes wrong."""
    try:
        async with asyncio.timeout(SECONDS), _server(url) as server:
            yield server
    except TimeoutError:  # SMTPTimeoutError is one as well.
        raise MailNotSent("The mail server did not answer in time.") from None
    except aiosmtplib.SMTPResponseException as error:
        raise MailNotSent(f"The mail server says {error.code}.") from None
    except (aiosmtplib.SMTPException, OSError) as error:  # In the library's words, with no answer of the server's.
        raise MailNotSent(f"The mail server cannot be used: {error}") from None


def _server(url: SplitResult) -> aiosmtplib.SMTP:
    """Credentials go over TLS only, to who has the certificate of the host. Without any, TLS is taken where it is
    offered, whoever the certificate is of: that is no worse than none (RFC 7435).
    """
    is_tls = url.scheme == "smtps"
    signs_in = url.username is not None
    return aiosmtplib.SMTP(
        hostname=url.hostname,
        port=url.port or (TLS_PORT if is_tls else SUBMISSION_PORT if signs_in else SMTP_PORT),
        username=unquote(url.username) if url.username is not None else None,
        password=unquote(url.password) if url.password is not None else None,
        use_tls=is_tls,
        start_tls=None if is_tls or not signs_in else True,
        validate_certs=is_tls or signs_in,
        timeout=SECONDS,
    )


def _keep(folder: Path, message: EmailMessage) -> None:
    """For the eyes of who runs the server: a mail may hold what opens an account."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{time.time_ns():020}-{uuid4().hex[:8]}.eml"
    unfinished = file.with_suffix(".part")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(message.as_bytes(policy=SMTPUTF8))
    unfinished.rename(file)
