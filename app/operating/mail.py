"""What `trellis doctor` looks at for mail: whether there is a way for it, and whether that can be taken from here."""

import asyncio
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from app.operating.findings import Deployment, Finding, fine
from shared.mail import Mailer, MailNotSent

WHERE = "TRELLIS_MAIL_URL says where it is. Workers send mail: if only they may reach it, look from the place of one."
HOW = "Set TRELLIS_MAIL_URL, TRELLIS_MAIL_FROM and TRELLIS_PUBLIC_URL."


def mail(deployment: Deployment) -> Iterator[Finding]:
    """Whether mail reaches whom it is for. A server is connected to, and gets no mail."""
    settings = deployment.settings
    mailer, folder = Mailer(settings), settings.mail_folder
    if mailer.reaches_people:
        server = urlsplit(settings.mail_url or "")
        try:
            asyncio.run(mailer.reach())
        except MailNotSent as error:
            yield Finding("error", "mail", str(error), WHERE)
        else:
            credentials = ", and takes the credentials" if server.username is not None else ""
            yield fine("mail", f"{server.hostname} answers{credentials}.")
        return
    if folder is not None:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            yield Finding("error", "mail", f"No mail can be kept in {folder}.", "Look at the permissions.")
            return
    says = "No mail is sent" + (f": it is kept in {folder}" if folder is not None else "")
    if settings.environment == "production":
        yield Finding("warning", "mail", f"{says}. Nobody can reset a password, or prove an address.", HOW)
    else:
        yield fine("mail", f"{says}.")
