"""What can go wrong with tags."""

from shared.errors import Conflict, Forbidden, NotFound


class TagNotFound(NotFound):
    """No tag with this id is visible to you."""


class TagForbidden(Forbidden):
    """Only its owner may do this to a tag."""


class SlugTaken(Conflict):
    """Another of the owner's tags has this slug."""
