"""Seeding: tools with which a module's `seeds.py` makes realistic data of any size, in bounded memory."""

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import sqrt
from random import Random
from typing import Any, overload
from uuid import UUID

import click
from psycopg import Connection, sql

from shared.rows import Model
from shared.settings import Settings

PERIOD = timedelta(days=730)
"""How far back the first rows were made."""
BATCH = 5_000
"""Rows for each COPY: PostgreSQL remembers each row until the statement ends, to check its foreign keys."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

SeedRow = tuple[type[Model], Mapping[str, Any]]
"""A table, and the values of a row of it by column. The rows of a table all name the same columns."""


class SeedingError(Exception):
    """The data set cannot be made as asked; the message says why."""


class Ids(Sequence[UUID]):
    """A list of ids, 16 bytes each, that also knows which ids belong to which owner."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q")

    def add(self, id: UUID, owner: int = 0) -> None:
        """Owners are numbered from 0. Add their ids in the order of owners."""
        if owner < len(self._ends) - 1:
            raise ValueError("The ids of an earlier owner were added already.")
        self._bytes += id.bytes
        while len(self._ends) <= owner:
            self._ends.append(len(self) - 1)
        self._ends[owner] = len(self)

    def of(self, owner: int) -> range:
        """The positions of an owner's ids."""
        if owner >= len(self._ends):
            return range(0)
        return range(self._ends[owner - 1] if owner else 0, self._ends[owner])

    def __len__(self) -> int:
        return len(self._bytes) // 16

    @overload
    def __getitem__(self, at: int) -> UUID: ...
    @overload
    def __getitem__(self, at: slice) -> list[UUID]: ...
    def __getitem__(self, at: int | slice) -> UUID | list[UUID]:
        if isinstance(at, slice):
            return [self[position] for position in range(*at.indices(len(self)))]
        position = range(len(self))[at]
        return UUID(bytes=bytes(self._bytes[position * 16 : position * 16 + 16]))


def time_of(id: UUID) -> datetime:
    """The time in an id of `Seeding.id_at`."""
    milliseconds, fraction = id.int >> 80, id.int >> 64 & 0xFFF
    return _EPOCH + timedelta(milliseconds=milliseconds, microseconds=-(-fraction * 1000 // 4096))


def words(text: str, separator: str | None = None) -> list[str]:
    """Split a text into words, or at separators."""
    return [word.strip() for word in text.split(separator)]


@dataclass(frozen=True, eq=False)
class DataSet:
    """One run of `trellis seed`, in one transaction. All modules share it."""

    connection: Connection[Any]
    settings: Settings
    batch: str
    seed: int
    until: datetime
    progress: bool
    published: dict[str, tuple[str, Ids]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)


class Seeding:
    """Makes a module's rows. The same `--seed` on an equal database gives the same rows on the same day."""

    def __init__(self, data: DataSet, module: str, requires: Iterable[str] = (), asked: int | None = None) -> None:
        self._data = data
        self._module = module
        self._requires = frozenset(requires)
        self._asked = asked
        self.random = Random(f"{data.seed} {data.batch} {module}")  # noqa: S311 (no secret is made of it)
        self.settings = data.settings
        self.until = data.until
        """No row was made, changed or deleted later."""
        self.batch = data.batch
        """A word for this run alone: put it into unique values."""

    def amount(self, default: int) -> int:
        """How many rows were asked for, or the default."""
        return default if self._asked is None else self._asked

    def moments(self, count: int) -> Iterator[datetime]:
        """Times in ascending order, from the start of the period on, denser towards its end."""
        start, period = self.until - PERIOD, PERIOD // _MICROSECOND
        random = self.random.random
        for number in range(count):
            share = (number + random()) / count if number else 0.0
            yield start + timedelta(microseconds=int(period * sqrt(share)))

    def later(self, moment: datetime) -> datetime:
        """Some time after it, up to `until`."""
        return moment + (self.until - moment) * self.random.random()

    def id_at(self, moment: datetime) -> UUID:
        """The id of a row made at this moment: UUIDv7 to the microsecond (RFC 9562 §6.2, method 3)."""
        milliseconds, rest = divmod((moment - _EPOCH) // _MICROSECOND, 1000)
        random = self.random.getrandbits(62)
        return UUID(int=milliseconds << 80 | 7 << 76 | rest * 4096 // 1000 << 64 | 2 << 62 | random)

    def changes(self, created_at: datetime, *, changed: float, deleted: float) -> dict[str, Any]:
        """Times, version and deletion of a `Resource`. `changed` and `deleted` are the shares of rows with either.

        Deletions are recent: older ones would have been purged.
        """
        random = self.random.random
        version, updated_at = 1, created_at
        if random() < changed:
            version, updated_at = 2 + int(random() * 4), self.later(created_at)
        deleted_at = deletion_id = None
        if random() < deleted:
            deleted_at = updated_at = self.later(max(updated_at, self.until - timedelta(days=20)))
            deletion_id, version = self.id_at(deleted_at), version + 1
        return {
            "created_at": created_at,
            "updated_at": updated_at,
            "version": version,
            "deleted_at": deleted_at,
            "deletion_id": deletion_id,
        }

    def publish(self, name: str, ids: Ids) -> None:
        """Hand ids to the modules that require this one."""
        self._data.published[name] = (self._module, ids)

    def ids(self, name: str) -> Ids:
        """What a required module has published. Raises SeedingError when none has."""
        module, ids = self._data.published.get(name, (None, Ids()))
        if module not in self._requires:
            raise SeedingError(f"No module that '{self._module}' requires publishes '{name}'.")
        return ids

    def tell(self, sentence: str) -> None:
        """Have the command print a sentence at its end."""
        self._data.sentences.append(sentence)

    def copy(self, model: type[Model], rows: Iterable[SeedRow], total: int) -> None:
        """Stream rows into their tables. The progress bar counts those of `model`.

        Rows of several tables may be mixed. Each comes after the rows that its foreign keys name; the first rows of
        the tables come in the order of foreign keys, too.
        """
        rows, name = iter(rows), str(model.__tablename__)
        tables: dict[type[Model], None] = {}
        with click.progressbar(length=total, label=name, hidden=not self._data.progress, file=sys.stderr) as bar:
            while batch := list(islice(rows, BATCH)):
                tables |= dict.fromkeys(table for table, _ in batch)
                for table in tables:
                    some = [row for kind, row in batch if kind is table]
                    if some:
                        _write(self._data.connection, table, some)
                    self._data.counts[str(table.__tablename__)] += len(some)
                    bar.update(len(some) if table is model else 0)


def _write(connection: Connection[Any], model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of one table with one COPY."""
    names = list(rows[0])
    table, columns = sql.Identifier(str(model.__tablename__)), sql.SQL(", ").join(map(sql.Identifier, names))
    cursor = connection.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(columns, table))
    types = [column.type_code for column in cursor.description or ()]
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, columns)) as copy:
        copy.set_types(types)
        for row in rows:
            if len(row) != len(names):
                raise SeedingError(f"A row has the columns {', '.join(row)} and another {', '.join(names)}.")
            copy.write_row([row[name] for name in names])
