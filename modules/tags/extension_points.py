"""What tags leave open: tags know nothing of the things that carry them."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, FromClause, Select

from shared.extensions import ExtensionPoint

sharing: ExtensionPoint[Callable[[], CompoundSelect[UUID] | Select[UUID]]] = ExtensionPoint("tags.sharing")
"""The ids of the tags on what the caller sees, as a statement with the one column `tag_id`."""

project_counts: ExtensionPoint[Callable[[FromClause], ColumnElement[int]]] = ExtensionPoint("tags.project_counts")
"""How many projects that the caller sees carry the tag, as an expression over a row of tags."""
