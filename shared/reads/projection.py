"""Projections: a response schema becomes an SQL expression in which PostgreSQL writes the JSON document.

A module author declares a `Document` over a table. A field is the column of its name. A field that embeds documents
says with `One`, `Many` or `Each` how to find their rows. A `Derived` field has an expression of its own. One statement
reads the row and what is related to it, and the bytes go to the client with no object in between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from sqlalchemy import JSON, ColumnElement, FromClause, Interval, Text, cast, func, literal, select
from sqlmodel import SQLModel

from shared.auth import RESOURCES
from shared.exact import Told
from shared.extensions import Extensions
from shared.reads.periods import iso_8601
from shared.rows import live, table_of

ALLOWED_ACTIONS = "allowed_actions"
"""The member of every resource's document that says what the caller may do with the row now, if `include` names it."""


class Document(Told, BaseModel):
    """The base of every representation: `class TagRead(Document, of=Tag)`.

    It validates nothing: it tells the compiler and the OpenAPI document which members there are.
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
        """The members that are left out unless the request includes them."""
        fields = [name for name, field in cls.model_fields.items() if OnRequest in field.metadata]
        return [*fields, *([ALLOWED_ACTIONS] if repository_of(cls) is not None else [])]

    @classmethod
    def selectable(cls) -> list[str]:
        """The fields that are there unless the request selects some."""
        return [name for name, field in cls.model_fields.items() if OnRequest not in field.metadata]


def repository_of(document: type[Document]) -> Any:
    """The repository whose documents these are; None of what is only embedded or listed."""
    found = RESOURCES.get(getattr(document.rows, "name", ""))
    return found if found is not None and found.collection.document is document else None


class OnRequest:
    """In a field's `Annotated`: embedded only when `include=` names it."""


@dataclass(frozen=True)
class View:
    """The members of a document that a request wants."""

    fields: frozenset[str] | None = None
    """None: all that are not on request."""
    include: frozenset[str] = frozenset()
    trash: bool = False
    """Whether the row may be deleted: adds `deleted_at` and `purge_at`."""

    def names(self, document: type[Document]) -> list[str]:
        """The names of the members, in the document's order."""
        fields = set(document.selectable()) if self.fields is None else self.fields
        actions = [ALLOWED_ACTIONS] if ALLOWED_ACTIONS in self.include else []
        trash = ["deleted_at", "purge_at"] if self.trash else []
        return [*(name for name in document.model_fields if name in fields | self.include), *actions, *trash]


WHOLE = View()


class Projector:
    """Compiles documents, with what the composed modules contribute to extension points."""

    def __init__(self, extensions: Extensions, retention: timedelta) -> None:
        """`retention` is how long a deleted row stays restorable."""
        self.extensions = extensions
        self._retention = retention

    def json(self, document: type[Document], rows: FromClause, view: View = WHOLE) -> ColumnElement[bytes]:
        """The document of a row, as an expression for any place where the columns of `rows` can stand.

        Its value is a JSON object in UTF-8: members in the schema's order, no white space, times in UTC, which is the
        session's time zone; decimal numbers and durations are strings.
        """
        row = select(*self._values(document, rows, view)).correlate(rows).subquery()
        return select(func.row_to_json(row.table_valued(), type_=JSON)).scalar_subquery()

    def _values(self, document: type[Document], rows: FromClause, view: View) -> Iterator[ColumnElement[Any]]:
        for name in view.names(document):
            if name == "purge_at":
                yield (rows.c.deleted_at + literal(self._retention, Interval())).label(name)
            elif name == ALLOWED_ACTIONS:
                repository = repository_of(document)
                actions = repository.policy.actions(repository.resource(), rows, self.extensions)
                yield func.array_to_json(actions, type_=JSON).label(name)
            elif name in document.model_fields:
                field = document.model_fields[name]
                marker = marker_of(field)
                value = marker.expression(field, rows, self) if marker else rows.c[name]
                yield written(value, plain_type(field.annotation)).label(name)
            else:
                yield rows.c[name]


class Marker:
    """In a field's `Annotated`: where its value comes from."""

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:
        """The field's value for a row of `rows`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Derived(Marker):
    """The value of an expression over the row."""

    compute: Callable[[FromClause, Extensions], ColumnElement[Any]]

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:  # noqa: ARG002
        return self.compute(rows, projector.extensions)


@dataclass(frozen=True)
class One(Marker):
    """The document of the row whose id is in the column `by`; null when that row is deleted."""

    by: str

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:
        document = document_in(field.annotation)
        target = document.rows.alias()
        found = select(projector.json(document, target)).where(target.c.id == rows.c[self.by], *live(target))
        return found.correlate(rows).scalar_subquery()


@dataclass(frozen=True)
class Each(Marker):
    """The documents of the rows whose column `by` has the id of this one, ordered by columns of theirs."""

    by: str
    order_by: tuple[str, ...]

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:
        document = document_in(field.annotation)
        target = document.rows.alias()
        found = select(projector.json(document, target)).where(target.c[self.by] == rows.c.id, *live(target))
        return _array(found.order_by(*(target.c[name] for name in self.order_by)).correlate(rows).scalar_subquery())


@dataclass(frozen=True)
class Many(Marker):
    """The documents of the rows that the table `through` links to this one, ordered by a column of theirs and id.

    The link has a foreign key to this row's table, and one to theirs.
    """

    through: type[SQLModel]
    order_by: str

    def expression(self, field: FieldInfo, rows: FromClause, projector: Projector) -> ColumnElement[Any]:
        document = document_in(field.annotation)
        target, link = document.rows.alias(), table_of(self.through).alias()
        found = (
            select(projector.json(document, target))
            .join_from(link, target, _foreign_key(link, target) == target.c.id)
            .where(_foreign_key(link, rows) == rows.c.id, *live(target))
            .order_by(target.c[self.order_by], target.c.id)
        )
        return _array(found.correlate(rows).scalar_subquery())


def plain_type(annotation: Any) -> Any:
    """`str` of `str | None`, and of `Annotated[str, …]`."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return plain_type(kinds[0]) if len(kinds) == 1 and type(None) in get_args(annotation) else annotation


def written(value: ColumnElement[Any], kind: Any) -> ColumnElement[Any]:
    """A value of this type, as it stands in JSON: PostgreSQL would write a decimal number as a number, which loses
    digits in most clients, and a duration as the session's `intervalstyle` says.
    """
    if kind is Decimal:
        return cast(value, Text())
    return iso_8601(value) if kind is timedelta else value


def _array(documents: ColumnElement[Any]) -> ColumnElement[Any]:
    # array_to_json writes no white space, and [] for an empty array. json_agg would write line breaks, and NULL.
    return func.array_to_json(func.array(documents), type_=JSON)


def marker_of(field: FieldInfo) -> Marker | None:
    """Where the field's value comes from; None for the column of its name."""
    return next((item for item in field.metadata if isinstance(item, Marker)), None)


def document_in(annotation: Any) -> type[Document]:
    """The document in `Document`, `Document | None`, `list[Document]` or `list[Document] | None`."""
    candidates = [annotation, *get_args(annotation)]
    candidates += [inner for candidate in candidates for inner in get_args(candidate)]
    return next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, Document))


def _foreign_key(link: FromClause, target: FromClause) -> ColumnElement[Any]:
    """The column of the link that names rows of the target: a table, what is published of one, or an alias of those."""
    (id,) = target.c.id.base_columns
    named = f"{id.table.name}.{id.name}"
    return next(column for column in link.c if any(key.target_fullname == named for key in column.foreign_keys))
