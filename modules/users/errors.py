"""What can go wrong with accounts and sessions."""

from shared.errors import Conflict, Forbidden, Malformed, NotFound, TooManyRequests


class UserNotFound(NotFound):
    """No account with this id is visible to you."""


class UserForbidden(Forbidden):
    """Only an administrator may do this to an account."""


class EmailTaken(Conflict, constraint="uq_users_email"):
    """Another account uses this e-mail address."""


class WrongPassword(Forbidden):
    """The current password is not right."""


class LastAdministrator(Conflict):
    """This is the last administrator who can sign in, and there has to be one. Make another account one first."""


class TooManyAttempts(TooManyRequests):
    """Too many wrong passwords were tried. Wait for as many seconds as the Retry-After header says: until then not even
    the right one is looked at.
    """


class InvalidGrant(Malformed, members={"error": "invalid_grant"}):
    """The credentials or the refresh token are not good, or not any more."""


class InvalidRequest(Malformed, members={"error": "invalid_request"}):
    """A parameter that this needs is missing, or given twice, or one is given that is not taken here."""


class UnsupportedGrantType(Malformed, members={"error": "unsupported_grant_type"}):
    """The grant types are `password` and `refresh_token`."""
