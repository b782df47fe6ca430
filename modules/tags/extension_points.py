"""The extension points of tags, which do not know the resources that carry them."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, FromClause, Select

from shared.extensions import ExtensionPoint

sharing: ExtensionPoint[Callable[[], CompoundSelect[UUID] | Select[UUID]]] = ExtensionPoint("tags.sharing")
"""A statement with one column, `tag_id`: the tags on resources that the caller sees."""

project_counts: ExtensionPoint[Callable[[FromClause], ColumnElement[int]]] = ExtensionPoint("tags.project_counts")
"""An expression over a row of tags: how many projects that the caller sees carry the tag."""
