"""The borders between modules: what a document may show. Checked once, when the application is composed."""

from collections.abc import Iterator
from typing import TypeVar

from sqlalchemy import ColumnClause, ColumnElement, TableClause
from sqlalchemy.sql import visitors

from shared.extensions import Extensions
from shared.reads.projection import Derived, Document, document_in, marker_of
from shared.reads.summary import Summary
from shared.rows import Model, owner_of, owners

D = TypeVar("D", bound=Document)


def faults(package: str) -> Iterator[str]:
    """A sentence for each column that a document of this package, such as `modules.tags`, shows and must not.

    No document shows a column marked SECRET, or computes with it. A document that shows a column of another module's
    table takes it from a Summary of that module.
    """
    owner = owners()
    published = {summary.rows for summary in _below(Summary) if owner.get(summary.rows.name) == owner_of(summary)}
    for document in _below(Document):
        if not f"{document.__module__}.".startswith(f"{package}."):
            continue
        for name in _missing(document):
            yield f"{document.__name__} of {package} shows {name}, which its rows do not have."
        for rows, name in _shown(document):
            table = Model.metadata.tables.get(rows.name)
            if table is None:
                continue
            told = f"{document.__name__} of {package} shows {table.name}.{name}, which"
            if name in table.c and "secret" in table.c[name].info:
                yield f"{told} is secret."
            elif owner[table.name] != owner_of(document) and rows not in published:
                yield f"{told} '{owner[table.name]}' does not publish."


def _below(kind: type[D]) -> Iterator[type[D]]:
    """All documents of a kind that have rows."""
    for document in kind.__subclasses__():
        if hasattr(document, "rows"):
            yield document
        yield from _below(document)


def _missing(document: type[Document]) -> list[str]:
    fields = document.model_fields.items()
    return [name for name, field in fields if marker_of(field) is None and name not in document.rows.c]


def _shown(document: type[Document]) -> Iterator[tuple[TableClause, str]]:
    """The tables and columns whose values come out in a document, and in those that it embeds."""
    for name, field in document.model_fields.items():
        marker = marker_of(field)
        if isinstance(marker, Derived):
            # What other modules contribute is theirs to show.
            yield from columns_in(marker.compute(document.rows, Extensions()))
        elif marker is not None:
            yield from _shown(document_in(field.annotation))
        elif name in document.rows.c:
            yield from columns_in(document.rows.c[name])


def columns_in(expression: ColumnElement[object]) -> Iterator[tuple[TableClause, str]]:
    """The tables and columns that an expression uses, through aliases and subqueries."""
    for part in visitors.iterate(expression):
        if not isinstance(part, ColumnElement):
            continue
        for base in part.base_columns:
            if base is not part:
                yield from columns_in(base)
            elif isinstance(part, ColumnClause) and isinstance(part.table, TableClause):
                yield part.table, part.name
