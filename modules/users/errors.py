"""What can go wrong with accounts and sessions."""

from shared.errors import Conflict, Forbidden, Malformed, NotFound


class UserNotFound(NotFound):
    """No account with this id is visible to you."""


class UserForbidden(Forbidden):
    """Only an administrator may do this to an account."""


class EmailTaken(Conflict, constraint="uq_users_email"):
    """Another account uses this e-mail address."""


class WrongPassword(Forbidden):
    """The current password is not right."""


class InvalidGrant(Malformed, members={"error": "invalid_grant"}):
    """The credentials or the refresh token are not good, or not any more."""


class InvalidRequest(Malformed, members={"error": "invalid_request"}):
    """A parameter that this grant needs is missing."""


class UnsupportedGrantType(Malformed, members={"error": "unsupported_grant_type"}):
    """The grant types are `password` and `refresh_token`."""
