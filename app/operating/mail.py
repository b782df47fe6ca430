"""What `trellis doctor` looks at for mail: whether there is a way for it, and whether that can be taken from here."""

import asyncio
import tempfile
from collections.abc import Iterator
from urllib.parse import urlsplit

from app.operating.findings import Deployment, Finding, fine
from shared.mail import Mailer, MailNotSent

WHERE = "TRELLIS_MAIL_URL says where it is. Workers send mail: if only they may reach it, look from the place of one."
HOW = "Set TRELLIS_MAIL_URL, TRELLIS_MAIL_FROM and TRELLIS_PUBLIC_URL."


def mail(deployment: Deployment) -> Iterator[Finding]:
    """Whether mail reaches whom it is for."""
    mailer = Mailer(deployment.settings)
    yield _sent(deployment, mailer) if mailer.reaches_people else _not_sent(deployment)


def _sent(deployment: Deployment, mailer: Mailer) -> Finding:
    """The server is connected to, and gets no mail."""
    server = urlsplit(deployment.settings.mail_url or "")
    try:
        asyncio.run(mailer.reach())
    except MailNotSent as error:
        return Finding("error", "mail", f"{error}".rstrip(".") + ".", WHERE)
    credentials = ", and takes the credentials" if server.username is not None else ""
    return fine("mail", f"{server.hostname} answers{credentials}.")


def _not_sent(deployment: Deployment) -> Finding:
    says, folder = "No mail is sent", deployment.settings.mail_folder
    if folder is not None:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                says += f": it is kept in {folder}"
        except OSError as error:
            wrong = f"No mail can be kept in {folder}: {error.strerror or error}."
            return Finding("error", "mail", wrong, "Look at the permissions, or name another folder.")
    if deployment.settings.environment == "production":
        return Finding("warning", "mail", f"{says}. Nobody can reset a password, or prove an address.", HOW)
    return fine("mail", f"{says}.")
