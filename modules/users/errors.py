"""What can go wrong with accounts and sessions."""

from shared.errors import Conflict, Forbidden, Malformed, NotFound, TooManyRequests


class UserNotFound(NotFound):
    """No account with this id is visible to you."""


class UserForbidden(Forbidden):
    """Only an administrator may do this to an account."""


class EmailTaken(Conflict):
    """Another account uses this e-mail address."""


class WrongPassword(Forbidden):
    """The current password is not right."""


class LastAdministrator(Conflict):
    """This is the last administrator who can sign in. Make another account an administrator first."""


class TooManyAttempts(TooManyRequests):
    """Too many wrong passwords were tried. Wait for the seconds in the Retry-After header: until then even the right
    password is refused.
    """


class InvalidGrant(Malformed, members={"error": "invalid_grant"}):
    """The credentials or the refresh token are not valid, or no longer."""


class InvalidRequest(Malformed, members={"error": "invalid_request"}):
    """A required parameter is missing, or a parameter is repeated or malformed."""


class UnsupportedGrantType(Malformed, members={"error": "unsupported_grant_type"}):
    """The grant types are `password` and `refresh_token`."""
