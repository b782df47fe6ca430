"""The settings of mail: by what server it is sent, from whom, and where its links lead."""

from email.headerregistry import Address
from email.utils import getaddresses
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from urllib.request import url2pathname

from email_validator import validate_email
from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings

from shared import values
from shared.settings.files import IN_FILE
from shared.settings.variables import KERNEL

MAIL_ADVICE = (
    "is no URL of a mail server, like smtp://user:password@host:587 or smtps://user:password@host, nor of a folder, "
    "like file:///var/mail. In a name or a password, write @ as %40, / as %2F, : as %3A and % as %25"
)


class MailSettings(BaseSettings):
    """Without a URL, Trellis sends no mail, and what needs one answers so. Over the embedded database, mail goes to the
    data folder by default.
    """

    model_config = KERNEL

    mail_from: str | None = None
    """Whom mail is from: an address, or `Name <address>`."""
    public_url: str | None = None
    """Where people open your site: links in mails lead to `/verify-email` and `/password-reset` below it, and passkeys
    belong to its host. It is kept as browsers write it: the host in ASCII, and no port that is the scheme's own."""
    mail_url: Annotated[str | None, IN_FILE] = None
    """The server that takes mail: `smtp://user:password@host:587`, which has to offer TLS where credentials are sent,
    or `smtps://…`, which is TLS from the first byte. `file:///folder` keeps mail there, and sends none."""

    @field_validator("mail_from")
    @classmethod
    def _is_a_sender(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                sender_of(value)
        except ValueError:
            raise ValueError("is no e-mail address, nor a name with one: Trellis <no-reply@example.com>") from None
        return value

    @field_validator("public_url")
    @classmethod
    def _is_a_site(cls, value: str | None) -> str | None:
        if value is None:
            return None
        site, found = site_of(value), _split(value)
        if site is None or found is None or not found.hostname or found.query:
            raise ValueError("is no http or https URL without a query, like https://www.example.com")
        return site

    @field_validator("mail_url")
    @classmethod
    def _is_a_mail_server(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is None:
            return None
        found = _split(value)
        is_folder = found is not None and found.scheme == "file" and not found.netloc and found.path
        is_server = found is not None and found.scheme in {"smtp", "smtps"} and found.hostname and not found.path
        if found is None or not (is_folder or is_server) or found.netloc.count("@") > 1:
            raise ValueError(MAIL_ADVICE)
        if (found.username is None) != (found.password is None):
            raise ValueError("has a user without a password, or a password without a user")
        needed = {"mail_from": "TRELLIS_MAIL_FROM", "public_url": "TRELLIS_PUBLIC_URL"}
        if missing := [needed[name] for name in needed if others.data.get(name, "") is None]:
            raise ValueError(f"needs {' and '.join(missing)} beside it")
        return value


def site_of(url: str) -> str | None:
    """The URL as browsers write it (WHATWG's URL Standard), without a slash at its end, for that is how they tell the
    origin of a page; None for what they do not take.
    """
    try:
        return values.url(url).rstrip("/")
    except PydanticCustomError:
        return None


def sender_of(text: str) -> Address:
    """The address in `Name <address>`, its domain in ASCII. Raises ValueError for any other text."""
    ((name, address),) = getaddresses([text])
    postal = validate_email(address, check_deliverability=False).ascii_email
    if postal is None or not text.isprintable():
        raise ValueError
    return Address(name, addr_spec=postal)


def folder_of(mail_url: str) -> Path | None:
    """The folder in which mail is kept; None where it is sent."""
    found = urlsplit(mail_url)
    return Path(url2pathname(found.path)) if found.scheme == "file" else None


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None for what is none, or has a fragment, or characters or a port that no URL has."""
    try:
        found = urlsplit(url)
        is_fit = found.port != 0 and not found.fragment and url.isprintable() and " " not in url
    except ValueError:
        return None
    return found if is_fit else None
