"""The purge: removes for good what is past its retention."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from shared.errors import Conflict, Contended
from shared.rows import EXPIRIES, Model
from shared.settings import Settings
from shared.wire import Database, Statement

log = logging.getLogger("trellis")

BATCH = 500
"""Rows that one transaction removes, their parts not counted."""

MOST_ATTEMPTS = 3
"""How often a batch is tried when it meets another change."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Purge:
    """Removes what is due. Safe to run from several places at once, and to end at any time: the next one goes on."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        children_first = Model.metadata.sorted_tables[::-1]
        self._tasks = (
            *(_deleted(table, settings.retention) for table in children_first if "deleted_at" in table.c),
            *(_expired(table, settings) for table in children_first if table in EXPIRIES),
        )

    async def run(self, told: Callable[[int], object] = lambda _: None) -> Mapping[str, int]:
        """The number of rows removed from each table. Raises Unavailable; the batches before that stay removed. `told`
        of each batch is how many rows went.
        """
        return {task.table.name: await self._purge(task, told) for task in self._tasks}

    async def due(self) -> Mapping[str, int]:
        """The number of rows of each table that `run` would remove."""
        return {task.table.name: (await self._database.read(task.count, {}))[0][0] for task in self._tasks}

    async def _purge(self, task: "_Task", told: Callable[[int], object]) -> int:
        """Round by round, until one removes nothing: a row may have waited for another of the same table."""
        total = 0
        while gone := await self._round(task, told):
            total += gone
        return total

    async def _round(self, task: "_Task", told: Callable[[int], object]) -> int:
        gone, since = 0, _EARLIEST
        while times := await self._batch(task, since):
            gone, since = gone + len(times), max(times)
            told(len(times))
        return gone

    async def _batch(self, task: "_Task", since: datetime) -> list[datetime]:
        """The times of the rows that went; empty when there are no more, or none can go just now."""
        for _ in range(MOST_ATTEMPTS):
            try:
                async with self._database.unit_of_work() as unit:
                    return [at for (at,) in await unit.execute(task.batch, {"since": since})]
            except (Conflict, Contended):  # A change has just referred to one of the rows; the next attempt sees which.
                continue
        log.warning("Some deleted %s stay for now: others refer to them.", task.table.name)
        return []


@dataclass(frozen=True)
class _Task:
    """What goes of a table, in batches in the order of a time."""

    table: sa.Table
    batch: Statement
    """Removes the first BATCH from `:since` on, and gives the time of each."""
    count: Statement


def _deleted(table: sa.Table, retention: timedelta) -> _Task:
    """The rows that were deleted long ago, but for those that others hold."""
    return _task(table, table.c.deleted_at, retention, _holds(table, table), _holds(table, table, retention))


def _expired(table: sa.Table, settings: Settings) -> _Task:
    """The rows that are no use any more."""
    expiry = EXPIRIES[table]
    return _task(table, expiry.at, expiry.after(settings))


def _task(
    table: sa.Table,
    at: sa.ColumnElement[Any],
    age: timedelta,
    holds: Sequence[sa.ColumnElement[bool]] = (),
    lasting_holds: Sequence[sa.ColumnElement[bool]] = (),
) -> _Task:
    """Of the rows older than the age: remove those that nothing holds, and count those that nothing lasting holds."""
    old, is_free = _is_older(at, age), ~sa.or_(False, *holds)
    keys = sa.select(*table.primary_key).where(old, at >= sa.bindparam("since", type_=at.type), is_free).order_by(at)
    # As a CTE, which PostgreSQL runs once: a subquery may be run again, and would lock other rows then.
    going = keys.limit(BATCH).with_for_update(skip_locked=True).cte("going")
    removal = sa.delete(table).where(*(table.c[column.name] == column for column in going.c)).returning(at)
    count = sa.select(sa.func.count()).select_from(table).where(old, ~sa.or_(False, *lasting_holds))
    return _Task(table, Statement(removal), Statement(count))


def _holds(
    table: sa.Table, rows: sa.FromClause, retention: timedelta | None = None, path: tuple[sa.Table, ...] = ()
) -> list[sa.ColumnElement[bool]]:
    """What may hold a row: that another refers to it, or to a part that would go along.

    With `retention`, a row that is to go itself holds nothing. `path` leads here: tables may refer to each other in a
    circle.
    """
    holds: list[sa.ColumnElement[bool]] = []
    for key in _references_to(table):
        if key.table in path:
            continue
        referring = key.table.alias()
        found = sa.select(1).where(*(referring.c[e.parent.name] == rows.c[e.column.name] for e in key.elements))
        found = found.select_from(referring)
        beyond = _holds(key.table, referring, retention, (*path, key.table))
        if key.ondelete == "CASCADE":
            if beyond:
                holds.append(found.where(sa.or_(*beyond)).exists())
        elif retention is None or "deleted_at" not in referring.c:
            holds.append(found.exists())
        else:
            stays = _is_older(referring.c.deleted_at, retention).is_not(True)
            holds.append(found.where(sa.or_(stays, *beyond)).exists())
    return holds


def _references_to(table: sa.Table) -> Iterator[sa.ForeignKeyConstraint]:
    for other in Model.metadata.sorted_tables:
        for key in other.foreign_key_constraints:
            if key.referred_table is table and key.ondelete not in {"SET NULL", "SET DEFAULT"}:
                yield key


def _is_older(at: sa.ColumnElement[datetime], age: timedelta) -> sa.ColumnElement[bool]:
    return at < sa.func.now() - sa.cast(age, sa.Interval())
