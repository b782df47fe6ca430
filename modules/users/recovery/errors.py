"""What can go wrong with links in mails."""

from shared.errors import Conflict, Invalid, Malformed


class MailNotConfigured(Conflict):
    """This server sends no mail, so this cannot be done here. Ask the people who run it."""


class PasswordRequired(Invalid):
    """This link makes an account. Send the password along that was chosen for it, in `password`."""


class LinkNotValid(Malformed):
    """The token is not valid, or no longer: each is good once and for a limited time, and void when the account has got
    another password or address. Ask for another mail.
    """
