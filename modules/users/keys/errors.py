"""What can go wrong with keys."""

from shared.errors import NotFound


class KeyNotFound(NotFound):
    """No key with this id is visible to you, or it was revoked or has expired."""
