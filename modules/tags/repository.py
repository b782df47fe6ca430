"""How tags are found and kept."""

from modules.tags.errors import TagForbidden, TagNotFound
from modules.tags.models import Tag
from modules.tags.policy import POLICY
from modules.tags.schemas import TAGS
from shared.writes import Repository


class TagRepository(Repository[Tag]):
    """Tags."""

    model = Tag
    collection = TAGS
    policy = POLICY
    absent = TagNotFound
    denied = TagForbidden
    orphaned = None  # An administrator may bring it back before its owner.
