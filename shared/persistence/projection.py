"""Projections: a response schema becomes an SQL expression in which PostgreSQL writes the JSON document.

A module author declares a `Document` over a table. A field is the column of its name; a field of another document, or
of a list of them, says by `One` or `Many` how its rows are found; a `Computed` field gives its own expression. Related
rows come out of the same statement, and the bytes go to the client with no object in between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from sqlalchemy import JSON, ColumnElement, FromClause, func, inspect, select
from sqlmodel import SQLModel

from shared.extensions import Extensions
from shared.persistence.soft_delete import live


class Document(BaseModel):
    """The base of every representation: `class TagRead(Document, of=Tag)`.

    It validates nothing on the way out; it says what there is, to the compiler and to the OpenAPI document.
    """

    model_config = ConfigDict(frozen=True)

    rows: ClassVar[FromClause]
    """The table, or the subquery, whose rows it represents."""

    def __init_subclass__(cls, *, of: type[SQLModel] | FromClause | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if of is not None:
            cls.rows = of if isinstance(of, FromClause) else table_of(of)


class Marker:
    """What tells, in a field's `Annotated`, where its value comes from."""

    def expression(self, field: FieldInfo, rows: FromClause, extensions: Extensions) -> ColumnElement[Any]:
        """The field's value for a row of `rows`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Computed(Marker):
    """A value that an expression over the row gives."""

    compute: Callable[[FromClause, Extensions], ColumnElement[Any]]

    def expression(self, field: FieldInfo, rows: FromClause, extensions: Extensions) -> ColumnElement[Any]:  # noqa: ARG002
        return self.compute(rows, extensions)


@dataclass(frozen=True)
class One(Marker):
    """The document of the row whose id stands in the column `by`; null when it is deleted."""

    by: str

    def expression(self, field: FieldInfo, rows: FromClause, extensions: Extensions) -> ColumnElement[Any]:
        document = _document_in(field.annotation)
        target = document.rows.alias()
        found = select(as_json(document, target, extensions)).where(target.c.id == rows.c[self.by], *live(target))
        return found.correlate(rows).scalar_subquery()


@dataclass(frozen=True)
class Many(Marker):
    """The documents of the rows that the table `through` links to this one, ordered by a column of theirs and id.

    The link's own foreign keys tell how: one names this row's table, the other theirs.
    """

    through: type[SQLModel]
    order_by: str

    def expression(self, field: FieldInfo, rows: FromClause, extensions: Extensions) -> ColumnElement[Any]:
        document = _document_in(field.annotation)
        target, link = document.rows.alias(), table_of(self.through).alias()
        found = (
            select(as_json(document, target, extensions))
            .join_from(link, target, _foreign_key(link, target) == target.c.id)
            .where(_foreign_key(link, rows) == rows.c.id, *live(target))
            .order_by(target.c[self.order_by], target.c.id)
            .correlate(rows)
        )
        # array_to_json writes no white space between elements, and of an empty array it makes [], where json_agg would
        # give line breaks and NULL.
        return func.array_to_json(func.array(found.scalar_subquery()), type_=JSON)


def as_json(document: type[Document], rows: FromClause, extensions: Extensions) -> ColumnElement[bytes]:
    """The document of a row, as an expression that stands wherever the columns of `rows` may stand.

    Executed, it gives the UTF-8 bytes of a JSON object, its members in the schema's order and without white space;
    times in UTC, as the session's time zone is.
    """
    values = [_value(name, field, rows, extensions).label(name) for name, field in document.model_fields.items()]
    row = select(*values).correlate(rows).subquery()
    return select(func.row_to_json(row.table_valued(), type_=JSON)).scalar_subquery()


def table_of(model: type[SQLModel]) -> FromClause:
    """The table behind a model."""
    table: FromClause = inspect(model).local_table
    return table


def _value(name: str, field: FieldInfo, rows: FromClause, extensions: Extensions) -> ColumnElement[Any]:
    for marker in field.metadata:
        if isinstance(marker, Marker):
            return marker.expression(field, rows, extensions)
    return rows.c[name]


def _document_in(annotation: Any) -> type[Document]:
    """The document in `Document`, `Document | None` or `list[Document]`."""
    candidates = (annotation, *get_args(annotation))
    return next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, Document))


def _foreign_key(link: FromClause, target: FromClause) -> ColumnElement[Any]:
    """The column of the link that names rows of the target, which may be an alias."""
    ids = target.c.id.base_columns
    return next(column for column in link.c if any(key.column in ids for key in column.foreign_keys))
