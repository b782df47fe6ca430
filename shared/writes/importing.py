"""Imports: very many new rows in one unit of work, a batch a statement, and what is wrong told by the line."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Interval,
    Select,
    String,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql.elements import KeyedColumnElement
from uuid_utils.compat import uuid7

from shared.errors import Conflict, DomainError, Invalid
from shared.rows import Resource, table_of
from shared.schemas import Input
from shared.wire import Statement
from shared.writes.change import Change

I = TypeVar("I", bound=Input)  # noqa: E741 (for input)

MOST_ERRORS = 100
"""Told of an import; the rest are counted."""


class LineError(BaseModel):
    """One thing that is wrong with a line."""

    line: int = Field(description="Where it begins in the file, whose first line is 1.")
    pointer: str = Field(description="JSON Pointer (RFC 6901) into the line; in CSV the column is the first step.")
    code: str = Field(description="What kind of fault it is. Let programs decide by it.", examples=["missing"])
    message: str = Field(description="What is wrong, for people.", examples=["Field required"])


class WrongLines(BaseModel):
    """What an import tells of the lines that are wrong."""

    failed: int = Field(description="How many lines are not imported.", examples=[1])
    errors: list[LineError] = Field(
        description=f"The first {MOST_ERRORS} things that are wrong, by line.",
        examples=[[{"line": 3, "pointer": "/name", "code": "missing", "message": "Field required"}]],
    )


class Imported(WrongLines):
    """What became of an import."""

    imported: int = Field(description="How many lines are imported.")


class ImportFailed(Invalid):
    """Lines are wrong, as `errors` tells, so nothing was imported. With `mode=partial` the good ones would be."""

    document = WrongLines

    def __init__(self, outcome: Imported) -> None:
        super().__init__()
        self.members = outcome.model_dump(include={"failed", "errors"})


@dataclass
class LineBatch(Generic[I]):
    """Lines that follow one another."""

    rows: dict[int, I] = field(default_factory=dict)
    """Those that are good so far, by number."""
    failed: int = 0
    errors: list[LineError] = field(default_factory=list)

    def refuse(self, line: int, error: DomainError) -> None:
        """A line that was good breaks a rule."""
        del self.rows[line]
        self.failed += 1
        self.errors.append(LineError(line=line, pointer=error.pointer or "", code=error.code, message=error.detail))


class Import(Generic[I]):
    """Iterate over it for the batches. The rows that a batch still has at the end of its turn count as imported."""

    def __init__(self, batches: Iterator[LineBatch[I]], *, partial: bool) -> None:
        """Unless `partial`, one bad line is enough for all to be given up."""
        self._batches = batches
        self._partial = partial
        self._outcome = Imported(imported=0, failed=0, errors=[])

    async def __aiter__(self) -> AsyncIterator[LineBatch[I]]:
        # In a thread: a thousand lines take longer to check than other requests should have to wait.
        while (batch := await asyncio.to_thread(next, self._batches, None)) is not None:
            yield batch
            self._count(batch)

    def outcome(self) -> Imported:
        """What became of the lines. Raises ImportFailed."""
        if self._outcome.failed and not self._partial:
            raise ImportFailed(self._outcome)
        return self._outcome

    def _count(self, batch: LineBatch[I]) -> None:
        told = self._outcome
        told.imported += len(batch.rows)
        told.failed += batch.failed
        room = MOST_ERRORS - len(told.errors)
        told.errors += sorted(batch.errors, key=lambda error: error.line)[:room]


class BulkInsert(Generic[I]):
    """Stores batches of new rows: one JSON text in, from which PostgreSQL makes them all."""

    def __init__(self, model: type[Resource], schema: type[I], same: Sequence[str], taken: Conflict) -> None:
        """Of the schema's fields, those that are columns are stored; `same` names columns that all rows share.

        `taken` is what is wrong with a line that a unique rule forbids; it names the field.
        """
        columns = table_of(model).c
        self._taken = taken
        self._names = [name for name in schema.model_fields if name in columns]
        self._list = TypeAdapter(list[schema])  # type: ignore[valid-type]
        self._statement = Statement(_insert(model, self._names, same))

    async def store(self, change: Change, batch: LineBatch[I], /, **same: object) -> Mapping[int, UUID]:
        """The new rows' ids by line. The lines that a unique rule forbids are refused."""
        ids = {line: uuid7() for line in batch.rows}
        if not ids:
            return ids
        documents = self._list.dump_json([*batch.rows.values()], include={"__all__": {*self._names}}, exclude_none=True)
        values = {"new:documents": documents.decode(), "new:ids": [*ids.values()], **same}
        lines = [*ids]
        # The plan by which a foreign key is checked may be to read all of a table that was small until just now.
        await change.unit.command("DISCARD PLANS")
        for (place,) in await change.unit.execute(self._statement, values):
            line = lines[place - 1]
            batch.refuse(line, self._taken)
            del ids[line]
        return ids


def _insert(model: type[Resource], names: Iterable[str], same: Iterable[str]) -> Select[tuple[int]]:
    """Stores the rows, and gives the places of those that it could not."""
    table = table_of(model)
    documents = func.jsonb_array_elements(bindparam("new:documents", type_=JSONB)).table_valued(
        "document", with_ordinality="place", name="documents"
    )
    ids = func.unnest(bindparam("new:ids", type_=ARRAY(Uuid))).table_valued("id", with_ordinality="place", name="ids")
    documents, ids = documents.render_derived(), ids.render_derived()
    values = {
        "id": ids.c.id,
        **{name: bindparam(name, type_=table.c[name].type) for name in same},
        **{name: _value(documents.c.document, table.c[name]) for name in names},
    }
    rows = (
        select(ids.c.place.label("of:line"), *(value.label(name) for name, value in values.items()))
        .join_from(documents, ids, documents.c.place == ids.c.place)
        .cte("rows")
    )
    stored = (
        insert(table)
        .from_select([*values], select(*(rows.c[name] for name in values)), include_defaults=False)
        .on_conflict_do_nothing()
        .returning(table.c.id)
        .cte("stored")
    )
    return select(rows.c["of:line"]).where(rows.c.id.not_in(select(stored.c.id)))


def _value(document: KeyedColumnElement[Any], column: Column[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, JSON):
        return document.op("->", return_type=JSONB())(column.name)
    if isinstance(column.type, ARRAY):
        items = select(func.jsonb_array_elements_text(document.op("->")(column.name))).correlate(document.table)
        return case((document.op("?")(column.name), cast(func.array(items.scalar_subquery()), column.type)))
    text = document.op("->>")(column.name)
    if isinstance(column.type, Interval):  # PostgreSQL takes no sign before a duration.
        period = cast(func.ltrim(text, "-"), column.type)
        return case((text.like("-%"), _NONE - period), else_=period)
    # A cast to varchar(200) would cut off what is longer.
    is_text = isinstance(getattr(column.type, "impl", column.type), String)
    return text if is_text else cast(text, column.type)


_NONE = literal_column("interval '0'", Interval())
