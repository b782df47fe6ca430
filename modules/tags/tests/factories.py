"""Rows of the tags module."""

from factory import Sequence

from modules.tags.models import Tag
from modules.tags.schemas import DEFAULT_COLOR
from tests.factories import RowFactory


class TagFactory(RowFactory[Tag]):
    """Tags; give the owner_id."""

    class Meta:
        model = Tag

    name = Sequence(lambda n: f"Tag {n}")
    slug = Sequence(lambda n: f"tag-{n}")
    color = DEFAULT_COLOR
