"""A mail, and the message that is sent of it (RFC 5322)."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, make_msgid
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email


class NoAddress(ValueError):
    """A mail is for what is no e-mail address."""


class Mail(NamedTuple):
    """To one person, as text and as HTML."""

    to: str
    """A bare address."""
    subject: str
    text: str
    html: str

    def message(self, sender: Address) -> EmailMessage:
        """No header has more lines than one, whatever is in the subject. Raises NoAddress."""
        message = EmailMessage(policy=SMTP)
        message["From"] = sender
        message["To"] = postal(self.to)
        message["Subject"] = " ".join(self.subject.split())
        message["Date"] = localtime()
        message["Message-ID"] = make_msgid(domain=sender.domain)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers.
        message.set_content(self.text)
        message.add_alternative(self.html, subtype="html")
        return message


def postal(address: str) -> Address:
    """An address as servers take it: the domain in ASCII (RFC 5890). What is before the @ may need SMTPUTF8 (RFC 6531).
    Raises NoAddress for anything else.
    """
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise NoAddress from None
    return Address(username=found.local_part, domain=found.ascii_domain)
