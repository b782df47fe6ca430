"""The purge: what was deleted, kept or noted longer ago than it is to be remembered goes for good."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKeyConstraint,
    FromClause,
    Interval,
    Select,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy import Table as SchemaTable

from shared.errors import Conflict, Contended
from shared.rows import EXPIRIES, SoftDeletable, Table, table_of
from shared.settings import Settings
from shared.wire import Database, Statement

log = logging.getLogger("trellis")

BATCH = 500
"""Rows that go in one transaction; what is a mere part of them goes along."""

MOST_ATTEMPTS = 3
"""How often a batch is tried that meets somebody else's change."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Purge:
    """Removes what is due. Safe to run from several places at once, and to end at any time: the next one goes on."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._tasks = (
            *(_deleted(table, settings.retention) for table in _children_first()),
            *(_expired(table, settings) for table in reversed(Table.metadata.sorted_tables) if table in EXPIRIES),
        )

    async def run(self) -> Mapping[str, int]:
        """How many rows went of each table, their parts not counted. Raises Unavailable; what is gone then is gone."""
        return {task.table.name: await self._purge(task) for task in self._tasks}

    async def due(self) -> Mapping[str, int]:
        """How many rows of each table would go."""
        return {task.table.name: (await self._database.read(task.count, {}))[0][0] for task in self._tasks}

    async def _purge(self, task: "_Task") -> int:
        """Round by round, until one removes nothing: a row may have waited for another of the same table."""
        total = 0
        while gone := await self._round(task):
            total += gone
        return total

    async def _round(self, task: "_Task") -> int:
        gone, since = 0, _EARLIEST
        while places := await self._batch(task, since):
            gone, since = gone + len(places), max(places)
        return gone

    async def _batch(self, task: "_Task", since: datetime) -> list[datetime]:
        """The places of the rows that went; empty when there are no more, or none can go just now."""
        for _ in range(MOST_ATTEMPTS):
            try:
                async with self._database.unit_of_work():
                    return [place for (place,) in await self._database.execute(task.batch, {"since": since})]
            except (Conflict, Contended):  # Somebody came to refer to one of the rows; the next look sees which.
                continue
        log.warning("Some deleted %s stay for now: others refer to them.", task.table.name)
        return []


@dataclass(frozen=True)
class _Task:
    """What goes of a table, in batches in the order of a time."""

    table: SchemaTable
    batch: Statement
    """Removes the first BATCH from `:since` on, and gives the time of each."""
    count: Statement


def _children_first() -> list[SchemaTable]:
    tables = {table_of(model) for model in Table.__subclasses__() if issubclass(model, SoftDeletable)}
    return [table for table in reversed(Table.metadata.sorted_tables) if table in tables]


def _deleted(table: SchemaTable, retention: timedelta) -> _Task:
    """The rows that were deleted long ago, but for those that others hold."""
    at = table.c.deleted_at
    old = _is_older(at, retention)
    going = _keys(table).where(old, at >= bindparam("since", type_=at.type)).order_by(at)
    going = going.where(~or_(False, *_holds(table, table)))
    return _Task(table, _removal(table, going, at), _count(table, old, ~or_(False, *_holds(table, table, retention))))


def _holds(
    table: SchemaTable, rows: FromClause, retention: timedelta | None = None, path: tuple[SchemaTable, ...] = ()
) -> list[ColumnElement[bool]]:
    """What may hold a row: that another refers to it, or to a part that would go along.

    With `retention`, a row that is to go itself holds nothing. `path` leads here: tables may refer to each other in a
    circle.
    """
    holds: list[ColumnElement[bool]] = []
    for key in _references_to(table):
        if key.table in path:
            continue
        referring = key.table.alias()
        found = select(1).where(*(referring.c[e.parent.name] == rows.c[e.column.name] for e in key.elements))
        found = found.select_from(referring)
        beyond = _holds(key.table, referring, retention, (*path, key.table))
        if key.ondelete == "CASCADE":
            if beyond:
                holds.append(found.where(or_(*beyond)).exists())
        elif retention is None or "deleted_at" not in referring.c:
            holds.append(found.exists())
        else:
            stays = _is_older(referring.c.deleted_at, retention).is_not(True)
            holds.append(found.where(or_(stays, *beyond)).exists())
    return holds


def _references_to(table: SchemaTable) -> Iterator[ForeignKeyConstraint]:
    for other in Table.metadata.sorted_tables:
        for key in other.foreign_key_constraints:
            if key.referred_table is table and key.ondelete not in {"SET NULL", "SET DEFAULT"}:
                yield key


def _expired(table: SchemaTable, settings: Settings) -> _Task:
    """The rows that are no use any more."""
    expiry = EXPIRIES[table]
    old = _is_older(expiry.at, expiry.after(settings))
    going = _keys(table).where(old, expiry.at >= bindparam("since", type_=expiry.at.type)).order_by(expiry.at)
    return _Task(table, _removal(table, going, expiry.at), _count(table, old))


def _is_older(at: ColumnElement[datetime], age: timedelta) -> ColumnElement[bool]:
    return at < func.now() - cast(age, Interval())


def _keys(table: SchemaTable) -> Select[Any]:
    """To be narrowed and put in order: the keys of BATCH rows, which it locks; those that are locked it leaves out."""
    return select(*table.primary_key).limit(BATCH).with_for_update(skip_locked=True)


def _count(table: SchemaTable, *where: ColumnElement[bool]) -> Statement:
    return Statement(select(func.count()).select_from(table).where(*where))


def _removal(table: SchemaTable, keys: Select[Any], place: ColumnElement[Any]) -> Statement:
    # As a CTE, which PostgreSQL runs once: a subquery may be run again, and would lock other rows then.
    going = keys.cte("going")
    these = (table.c[column.name] == column for column in going.c)
    return Statement(delete(table).where(*these).returning(place))
