"""Frozen rows: immutable rows of a table, with the columns, properties and methods of its model."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, TypeVar

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlmodel import SQLModel

from shared.rows.models import table_of

M = TypeVar("M", bound=SQLModel)

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_NUMERIC = 1700
"""PostgreSQL's number for the type of a Decimal, which SQLAlchemy wants to know; other types do not look."""


def frozen(model: type[M]) -> Callable[[Sequence[Any]], M]:
    """A function that makes a frozen row from the values of the table's columns, in their order.

    To the type checker it is an instance of the model. Setting an attribute raises AttributeError, since it would
    change nothing: use the verb `change`.
    """
    columns = loaded_columns(model)
    loads = [column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, _NUMERIC) for column in columns]
    places = [place for place, load in enumerate(loads) if load is not None]
    base = namedtuple(model.__name__, [column.name for column in columns])  # type: ignore[misc]
    kind: Any = type(model.__name__, (base,), {"__slots__": (), **_members(model)})

    def make(values: Sequence[Any]) -> M:
        given = list(values)
        for place in places:
            given[place] = loads[place](given[place])
        row: M = kind._make(given)
        return row

    return make


def loaded_columns(model: type[SQLModel]) -> list[Any]:
    """The columns that a frozen row is made of: those of the table that are attributes of the model."""
    return [column for column in table_of(model).columns if column.name in model.model_fields]


def _members(model: type[SQLModel]) -> dict[str, Any]:
    ours = [base for base in reversed(model.__mro__) if issubclass(base, SQLModel) and base is not SQLModel]
    return {
        name: member
        for base in ours
        for name, member in vars(base).items()
        if isinstance(member, property | FunctionType) and not name.startswith("_")
    }
