"""Columns: what a module declares of one beside its type."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Computed,
    Enum,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlmodel import SQLModel

from shared.errors import InvalidInput
from shared.rows.belonging import OWNER, belongs_to
from shared.rows.models import table_of

WRITTEN_APART = {"info": {"written_apart": True}}
"""For a table of counts: its rows are written in transactions of their own, whatever becomes of the request."""
SECRET = {"info": {"secret": True}}
"""The `sa_column_kwargs` of a column that neither the journal nor a document shows."""


OWNED = "="
"""Begins the word of the owner in a search column: no word of a text begins so."""


def choice(kind: type[StrEnum]) -> Any:
    """The column type of an enumeration: text, and a check constraint that names the values."""
    values, name = [member.value for member in kind], kind.__name__.lower()
    return Enum(kind, native_enum=False, create_constraint=True, length=20, values_callable=lambda _: values, name=name)


def choices(kind: type[StrEnum]) -> Any:
    """The column type of a list of an enumeration's members. PostgreSQL does not check them: the request's schema
    does.
    """
    values = [member.value for member in kind]
    one = Enum(kind, native_enum=False, create_constraint=False, length=20, values_callable=lambda _: values)
    return ARRAY(one)


def texts() -> Any:
    """The column type of a list of texts. One that may not be longer than so many characters would cut them off."""
    return ARRAY(Text())


def json_object() -> Any:
    """The column type of a `Json`, a JSON object. None is NULL, and not JSON's null."""
    return JSONB(none_as_null=True)


Limits = Mapping[str, Callable[[Any], bool]]
"""By name of a column: whether it holds a value."""


def limits(table: Table) -> Limits:
    """What the columns hold, where a value of their type may be too long or out of range for one."""
    found = ((column.name, _limit(getattr(column.type, "impl", column.type))) for column in table.c)
    return {name: limit for name, limit in found if limit is not None}


def demand_fit(known: Limits, columns: Mapping[str, Any]) -> None:
    """Raises InvalidInput, which names the column, for a value that it does not hold. PostgreSQL would refuse some of
    these without a word of where they are, and round others.
    """
    for name, value in columns.items():
        if name in known and value is not None and not known[name](value):
            raise InvalidInput("This is too long or out of range here.", pointer=f"/{name}")


_quoted = PGDialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


def _limit(kind: Any) -> Callable[[Any], bool] | None:
    if isinstance(kind, Integer):
        most = 2 ** (15 if isinstance(kind, SmallInteger) else 63 if isinstance(kind, BigInteger) else 31)
        return lambda number: -most <= number < most
    if isinstance(kind, Numeric) and kind.precision is not None:
        return partial(_has_digits, kind.precision, kind.scale or 0)
    longest = kind.length if isinstance(kind, String) and not isinstance(kind, Enum) else None
    return None if longest is None else lambda text: len(text) <= longest


def _has_digits(precision: int, scale: int, number: Decimal) -> bool:
    """Whether a number has no more digits, and no more of these after the point."""
    whole, _, places = f"{number:f}".partition(".")
    return len(whole.lstrip("-0")) <= precision - scale and len(places.rstrip("0")) <= scale


def searchable(model: type[SQLModel], *columns: str) -> None:
    """Give a table the column `search`, with the words of these columns, and its index. Earlier columns weigh more.

    Among the words is one that no text has: the row's owner, where it has one. So a search among one's own rows reads
    no more of the index than those. PostgreSQL generates the column. It is no attribute of the model, so no row is
    loaded with it.
    """
    table = table_of(model)
    words = [
        f"setweight(to_tsvector('simple', coalesce({_quoted(column)}, '')), '{weight}')"
        for column, weight in zip(columns, "ABCD", strict=False)
    ]
    owner = belongs_to(table, OWNER)
    if owner is not None:
        words.append(f"array_to_tsvector(ARRAY['{OWNED}' || {owner.column.name}::text])")
    search = Column("search", TSVECTOR, Computed(" || ".join(words), persisted=True))
    table.append_column(search)
    Index(f"ix_{table.name}_search", search, postgresql_using="gin")
