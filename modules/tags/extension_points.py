"""What tags leave open: tags know nothing of the things that carry them."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, FromClause

from shared.extensions import ExtensionPoint

sharing: ExtensionPoint[Callable[[FromClause], ColumnElement[bool]]] = ExtensionPoint("tags.sharing")
"""Whether the caller sees something that carries the tag, as an expression over a row of tags."""

project_counts: ExtensionPoint[Callable[[FromClause], ColumnElement[int]]] = ExtensionPoint("tags.project_counts")
"""How many projects that the caller sees carry the tag, as an expression over a row of tags."""
