"""The base classes of tables: metadata with a naming convention, and columns for ids, versions and soft delete."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Computed, Enum, Index, MetaData, Table, TextClause, func, inspect, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from shared.settings import Settings

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""Violated constraints are known by these names, and migrations rely on them."""


class Model(SQLModel):
    """The base of every table. A class with `table=True` does not validate: never take one as a request body."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Identified(SQLModel):
    """A row with an id: UUIDv7 (RFC 9562 §5.7), so that new rows are neighbours in the index."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)


class Versioned(SQLModel):
    """A row with the times of its creation and last change, and a version.

    PostgreSQL sets all three: defaults on insert, the trigger `touch_on_update` on every update.
    """

    created_at: datetime = Field(default=None, nullable=False, sa_column_kwargs={"server_default": func.now()})
    updated_at: datetime = Field(default=None, nullable=False, sa_column_kwargs={"server_default": func.now()})
    version: int = Field(default=None, nullable=False, sa_column_kwargs={"server_default": "1"})


class SoftDeletable(SQLModel):
    """A row that is hidden when deleted. Rows deleted together share a `deletion_id` and come back together."""

    deleted_at: datetime | None = Field(default=None)
    deletion_id: UUID | None = Field(default=None)


class Resource(SoftDeletable, Versioned, Identified):
    """A row with a document of its own: what a `Repository` serves."""


def table_of(model: type[SQLModel]) -> Table:
    """The table behind a model."""
    table: Table = inspect(model).local_table
    return table


def choice(kind: type[StrEnum]) -> Any:
    """The column type of an enumeration: text, and a check constraint that names the values."""
    values, name = [member.value for member in kind], kind.__name__.lower()
    return Enum(kind, native_enum=False, create_constraint=True, length=20, values_callable=lambda _: values, name=name)


def deletion_group(name: str) -> Index:
    """The index that finds the rows of one deletion. Live rows are not in it."""
    return Index(name, "deletion_id", postgresql_where=text("deletion_id IS NOT NULL"))


def deletion_time(name: str) -> Index:
    """The index that finds rows deleted long ago. Live rows are not in it."""
    return Index(name, "deleted_at", postgresql_where=text("deleted_at IS NOT NULL"))


def live_unique(name: str, *columns: str | TextClause) -> Index:
    """A unique rule among live rows only: a deleted row keeps its name without blocking it."""
    return Index(name, *columns, unique=True, postgresql_where=text("deleted_at IS NULL"))


def live_rule(table: Table, columns: Sequence[str]) -> Index:
    """The unique rule of these columns, as `live_unique` makes it."""
    return next(index for index in table.indexes if index.unique and index.columns.keys() == [*columns])


def searchable(model: type[SQLModel], *columns: str) -> None:
    """Give a table the column `search`, with the words of these columns, and its index. Earlier columns weigh more.

    PostgreSQL generates it. It is no attribute of the model, so no row is loaded with it.
    """
    weighted = [
        f"setweight(to_tsvector('simple', coalesce({column}, '')), '{weight}')"
        for column, weight in zip(columns, "ABCD", strict=False)
    ]
    search = Column("search", TSVECTOR, Computed(" || ".join(weighted), persisted=True))
    table = table_of(model)
    table.append_column(search)
    Index(f"ix_{table.name}_search", search, postgresql_using="gin")


SECRET = {"info": {"secret": True}}
"""The `sa_column_kwargs` of a column that neither the journal nor a document shows."""

SHARER = {"info": {"sharer": True}}
"""The `sa_column_kwargs` of a column that names the account that owns a row or shares in it. When another account takes
its place, the change feed tells the former one that the resource is deleted for it.
"""


def part_of(model: type[SQLModel], column: str) -> None:
    """Have the journal record this table's rows as parts of the resource that the column names."""
    table = table_of(model)
    (key,) = table.c[column].foreign_keys
    table.info["part_of"] = (key.target_fullname.partition(".")[0], column)


class Expiry(NamedTuple):
    """When a table's rows are purged: a time after an instant in them. Rows where that is NULL stay."""

    at: ColumnElement[Any]
    """An index leads with it."""
    after: Callable[[Settings], timedelta]


EXPIRIES: dict[Table, Expiry] = {}
"""By table. Not in the table's `info`, which Alembic would write into migrations."""


def expiring(model: type[SQLModel], at: ColumnElement[Any], after: Callable[[Settings], timedelta]) -> None:
    """Have `trellis purge` remove a table's rows this long after the instant `at`."""
    EXPIRIES[table_of(model)] = Expiry(at, after)


def owners() -> dict[str, str]:
    """Who owns each table, by the table's name: the module whose models.py defines it, or `kernel`."""
    return {str(model.__tablename__): owner_of(model) for model in Model.__subclasses__()}


def owner_of(defined: type) -> str:
    """The module in whose files a class is defined, or `kernel`."""
    package, _, rest = defined.__module__.partition(".")
    return rest.partition(".")[0] if package == "modules" else "kernel"
