"""Belonging: whose a row is, what it is part of, and with what it goes and comes back.

A column says so: `owner_id: UUID = owned_by("users")`, `project_id: UUID = part_of("projects")`. Foreign key and index
come with it. From what the column says, the kernel derives the policy of the rows, the guards of the verbs that make
them and bring them back, and the groups of rows that are deleted together. A row may have both, as a comment is part of
a task and has an author: it goes with either, and what it is part of decides who sees and changes it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Column, Index, Table, event, text
from sqlalchemy.orm import Mapper
from sqlmodel import Field, SQLModel

from shared.rows.models import Model, SoftDeletable, Versioned, table_of

OWNER, PART, ALONG = "owner", "part", "along"
"""How a row belongs to another: that is the account that owns it; it is part of that; or it only goes along with it."""

_ROLE, _SHARER = "belongs", "sharer"


class Belonging(NamedTuple):
    """A column that says to which row of another resource a row belongs."""

    column: Column[Any]
    resource: str
    """The other's table."""
    role: str
    """OWNER, PART or ALONG."""


def owned_by(resource: str) -> Any:
    """The column of the account that owns the row: only that one sees it, with administrators, unless the row is also
    part of another, or a policy says otherwise. The row goes with the account and comes back with it.
    """
    return _belongs(resource, {_ROLE: OWNER, _SHARER: True})


def part_of(resource: str) -> Any:
    """The column of the row that this one is part of: who sees that sees this, and who may change that may do so here.
    The row goes with the other one and comes back with it.
    """
    return _belongs(resource, {_ROLE: PART})


def shared_by(resource: str, **field: Any) -> Any:
    """The column of an account that shares in a resource beside its owner. The row goes with the account and comes back
    with it. `field` is what SQLModel's Field takes.
    """
    return _belongs(resource, {_ROLE: ALONG, _SHARER: True}, **field)


def _belongs(resource: str, info: dict[str, Any], **field: Any) -> Any:
    return Field(foreign_key=f"{resource}.id", sa_column_kwargs={"info": info}, **field)


def belongings(table: Table) -> list[Belonging]:
    """What the columns of a table say, the owner's first."""
    found = [Belonging(column, _referred(column), column.info[_ROLE]) for column in table.c if _ROLE in column.info]
    return sorted(found, key=lambda belonging: (OWNER, PART, ALONG).index(belonging.role))


def belongs_to(table: Table, *roles: str) -> Belonging | None:
    """The first of a table's belongings that has one of these roles."""
    return next((belonging for belonging in belongings(table) if belonging.role in roles), None)


def names_sharer(column: Column[Any]) -> bool:
    """Whether the column names an account that owns the resource or shares in it. When another one takes its place, the
    change feed tells the former that the resource is deleted for it.
    """
    return _SHARER in column.info


def index_sort(table: Table, field: str, by: Belonging | None) -> None:
    """The index of the live rows that belong to one other row, in the order of a field. It is there once."""
    names = [*([by.column.name] if by else []), field, "id"]
    name = f"ix_{table.name}_{'_'.join(names)}"
    if name not in {index.name for index in table.indexes}:
        Index(name, *(table.c[column] for column in names), postgresql_where=text("deleted_at IS NULL"))


def following(resource: str) -> Iterator[tuple[type[SQLModel], str]]:
    """The models whose rows go along with those of a resource, and with those in turn, each with its column. Each comes
    after what it follows.
    """
    models = {table_of(model): model for model in Model.__subclasses__() if issubclass(model, SoftDeletable)}
    gone = {resource}
    for table in Model.metadata.sorted_tables:
        for belonging in belongings(table) if table in models else ():
            if belonging.resource in gone:
                gone.add(table.name)
                yield models[table], belonging.column.name


def recorded_with(model: type[SQLModel], column: str) -> None:
    """Have the journal record this table's rows as parts of the resource that the column names."""
    table = table_of(model)
    table.info["recorded_with"] = (_referred(table.c[column]), column)


def _referred(column: Column[Any]) -> str:
    (key,) = column.foreign_keys
    return key.target_fullname.partition(".")[0]


@event.listens_for(Mapper, "after_mapper_constructed")
def _index_belongings(_: Mapper[Any], model: type[Any]) -> None:
    """What belongs to a row is listed newest first."""
    if issubclass(model, Versioned):
        table = table_of(model)
        for column in (belonging.column for belonging in belongings(table)):
            newest = text("created_at DESC"), text("id DESC")
            Index(f"ix_{table.name}_{column.name}_created_at_id", column, *newest)
