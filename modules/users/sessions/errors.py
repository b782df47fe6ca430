"""What can go wrong with sessions."""

from shared.errors import Malformed, NotFound, Unauthenticated


class InvalidCredentials(Unauthenticated):
    """The e-mail address or the password is not right."""


class SessionNotFound(NotFound):
    """No session with this id is visible to you, or it has ended."""


class InvalidGrant(Malformed, members={"error": "invalid_grant"}):
    """The credentials or the refresh token are not valid, or no longer."""


class InvalidRequest(Malformed, members={"error": "invalid_request"}):
    """A required parameter is missing, or a parameter is repeated or malformed."""


class UnsupportedGrantType(Malformed, members={"error": "unsupported_grant_type"}):
    """The grant types are `refresh_token` and, where this server still allows it, `password`."""
