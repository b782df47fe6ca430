"""Projections: a response schema becomes an SQL expression in which PostgreSQL writes the JSON document.

A module author declares a `Document` over a table. A field is the column of its name; a field of another document, or
of a list of them, says by `One`, `Many` or `Each` how its rows are found; a `Computed` field gives its own expression.
Related rows come out of the same statement, and the bytes go to the client with no object in between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from sqlalchemy import JSON, ColumnElement, FromClause, Interval, func, literal, select
from sqlmodel import SQLModel

from shared.extensions import Extensions
from shared.rows import live, table_of


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

    @classmethod
    def includable(cls) -> list[str]:
        """The fields that are there only when asked for."""
        return [name for name, field in cls.model_fields.items() if OnRequest in field.metadata]

    @classmethod
    def selectable(cls) -> list[str]:
        """The fields that are there unless others are asked for."""
        return [name for name, field in cls.model_fields.items() if OnRequest not in field.metadata]


class OnRequest:
    """In a field's `Annotated`: embedded only when `include=` names it."""


@dataclass(frozen=True)
class View:
    """What of a document is wanted."""

    fields: frozenset[str] | None = None
    """None: all that are not on request."""
    include: frozenset[str] = frozenset()
    trash: bool = False
    """Whether it may be of a deleted row: with `deleted_at` and `purge_at`."""

    def names(self, document: type[Document]) -> list[str]:
        """The members of the document, in its order."""
        fields = set(document.selectable()) if self.fields is None else self.fields
        trash = ["deleted_at", "purge_at"] if self.trash else []
        return [*(name for name in document.model_fields if name in fields | self.include), *trash]


WHOLE = View()


class Projector:
    """Compiles documents, for the extensions that the composed modules contribute."""

    def __init__(self, extensions: Extensions, retention: timedelta) -> None:
        """`retention` is how long a deleted row stays restorable."""
        self.extensions = extensions
        self._retention = retention

    def json(self, document: type[Document], rows: FromClause, view: View = WHOLE) -> ColumnElement[bytes]:
        """The document of a row, as an expression that stands wherever the columns of `rows` may stand.

        Executed, it gives the UTF-8 bytes of a JSON object, its members in the schema's order and without white space;
        times in UTC, as the session's time zone is.
        """
        row = select(*self._values(document, rows, view)).correlate(rows).subquery()
        return select(func.row_to_json(row.table_valued(), type_=JSON)).scalar_subquery()

    def _values(self, document: type[Document], rows: FromClause, view: View) -> Iterator[ColumnElement[Any]]:
        for name in view.names(document):
            if name == "purge_at":
                yield (rows.c.deleted_at + literal(self._retention, Interval())).label(name)
            elif name in document.model_fields:
                field = document.model_fields[name]
                marker = next((item for item in field.metadata if isinstance(item, Marker)), None)
                yield (marker.expression(field, rows, self) if marker else rows.c[name]).label(name)
            else:
                yield rows.c[name]


class Marker:
    """What tells, in a field's `Annotated`, where its value comes from."""

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:
        """The field's value for a row of `rows`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Computed(Marker):
    """A value that an expression over the row gives."""

    compute: Callable[[FromClause, Extensions], ColumnElement[Any]]

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:  # noqa: ARG002
        return self.compute(rows, projector.extensions)


@dataclass(frozen=True)
class One(Marker):
    """The document of the row whose id stands in the column `by`; null when it is deleted."""

    by: str

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:
        document = _document_in(field.annotation)
        target = document.rows.alias()
        found = select(projector.json(document, target)).where(target.c.id == rows.c[self.by], *live(target))
        return found.correlate(rows).scalar_subquery()


@dataclass(frozen=True)
class Each(Marker):
    """The documents of the rows that name this one in their column `by`, in an order of theirs."""

    by: str
    order_by: tuple[str, ...]

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:
        document = _document_in(field.annotation)
        target = document.rows.alias()
        found = select(projector.json(document, target)).where(target.c[self.by] == rows.c.id, *live(target))
        return _array(found.order_by(*(target.c[name] for name in self.order_by)).correlate(rows).scalar_subquery())


@dataclass(frozen=True)
class Many(Marker):
    """The documents of the rows that the table `through` links to this one, ordered by a column of theirs and id.

    The link's own foreign keys tell how: one names this row's table, the other theirs.
    """

    through: type[SQLModel]
    order_by: str

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:
        document = _document_in(field.annotation)
        target, link = document.rows.alias(), table_of(self.through).alias()
        found = (
            select(projector.json(document, target))
            .join_from(link, target, _foreign_key(link, target) == target.c.id)
            .where(_foreign_key(link, rows) == rows.c.id, *live(target))
            .order_by(target.c[self.order_by], target.c.id)
        )
        return _array(found.correlate(rows).scalar_subquery())


def _array(documents: ColumnElement[Any]) -> ColumnElement[Any]:
    # array_to_json writes no white space between elements, and of an empty array it makes [], where json_agg would
    # give line breaks and NULL.
    return func.array_to_json(func.array(documents), type_=JSON)


def _document_in(annotation: Any) -> type[Document]:
    """The document in `Document`, `Document | None`, `list[Document]` or `list[Document] | None`."""
    candidates = [annotation, *get_args(annotation)]
    candidates += [inner for candidate in candidates for inner in get_args(candidate)]
    return next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, Document))


def _foreign_key(link: FromClause, target: FromClause) -> ColumnElement[Any]:
    """The column of the link that names rows of the target, which may be an alias."""
    ids = target.c.id.base_columns
    return next(column for column in link.c if any(key.column in ids for key in column.foreign_keys))
