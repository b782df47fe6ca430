"""What can go wrong with keys."""

from shared.errors import Conflict, NotFound


class KeyNotFound(NotFound):
    """No key with this id is visible to you, or it was revoked or has expired."""


class TooManyKeys(Conflict):
    """You have as many keys as this server allows. Revoke one first."""
