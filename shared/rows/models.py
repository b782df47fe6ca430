"""The base classes of tables: metadata with a naming convention, and columns for ids, versions and soft delete."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Index, MetaData, Table, event, func, inspect, text
from sqlalchemy.orm import Mapper
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
    """A row that is hidden when deleted. Rows deleted together share a `deletion_id` and come back together.

    Its table has two indexes in which no live row is: for what was deleted together, and for what was deleted long ago.
    """

    deleted_at: datetime | None = Field(default=None)
    deletion_id: UUID | None = Field(default=None)


class Resource(SoftDeletable, Versioned, Identified):
    """A row with a document of its own: what a `Repository` serves."""


def table_of(model: type[SQLModel]) -> Table:
    """The table behind a model."""
    table: Table = inspect(model).local_table
    return table


@event.listens_for(Mapper, "after_mapper_constructed")
def _index_deletions(_: Mapper[Any], model: type[Any]) -> None:
    if issubclass(model, SoftDeletable):
        table = table_of(model)
        for name in ("deletion_id", "deleted_at"):
            Index(f"ix_{table.name}_{name}", table.c[name], postgresql_where=text(f"{name} IS NOT NULL"))


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
