"""How the counts of wrong passwords are kept, and the places from which accounts signed in."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy import (
    ARRAY,
    Double,
    Interval,
    LargeBinary,
    bindparam,
    cast,
    delete,
    extract,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from modules.users.models import KNOWN_FOR, KnownPlace, SignInFailures
from shared.auth import TooManySignIns
from shared.errors import CommitInDoubt, Unavailable
from shared.observing import current_activity
from shared.rows import table_of
from shared.turns import turn
from shared.wire import Database, Statement, UnitOfWork
from shared.writes import Change

AT_ONCE = 2
"""Counts that are held at once, by a process: those who guess at one account wait for one row, and each of them would
keep a connection from other writes meanwhile.
"""
LONGEST_WAIT = 2.0
"""Seconds for one's turn to count."""

_keys = bindparam("keys", type_=ARRAY(LargeBinary()))
_failures = table_of(SignInFailures)
_key = func.unnest(_keys).column_valued("key")
_new = insert(_failures).from_select(
    ["key", "failures", "at"], select(_key, literal(0.0), func.clock_timestamp()).order_by(_key)
)
_HOLD_FAILURES = Statement(
    _new.on_conflict_do_update(index_elements=["key"], set_={"failures": _failures.c.failures}).returning(
        _failures.c.key, _failures.c.failures, extract("epoch", func.clock_timestamp() - _failures.c.at)
    )
)
_counted = (
    func.unnest(_keys, bindparam("failures", type_=ARRAY(Double())))
    .table_valued("key", "failures")
    .render_derived("counted")
)
_KEEP_FAILURES = Statement(
    update(_failures)
    .values(failures=_counted.c.failures, at=func.clock_timestamp())
    .where(_failures.c.key == _counted.c.key)
)
_TAKE_BACK = Statement(
    update(_failures).values(failures=_failures.c.failures - 1).where(_failures.c.key == func.any(_keys))
)
_FORGET = Statement(delete(_failures).where(_failures.c.key == func.any(_keys), _failures.c.failures <= 0))
_REMOVE = Statement(delete(_failures).where(_failures.c.key == func.any(_keys)))
_places = table_of(KnownPlace)
_KNOWS = Statement(
    select(_places.c.key).where(
        _places.c.key == func.any(_keys), _places.c.at > func.now() - cast(KNOWN_FOR, Interval())
    )
)
_place = insert(_places).values(key=bindparam("key"), at=func.now())
_REMEMBER = Statement(_place.on_conflict_do_update(index_elements=["key"], set_={"at": _place.excluded.at}))


class Failures(NamedTuple):
    """How many were counted under a key."""

    key: bytes
    failures: float
    age: float
    """Seconds since the last one."""


class Held:
    """Counts that nobody else changes meanwhile."""

    def __init__(self, unit: UnitOfWork, keys: Sequence[bytes], counts: Sequence[Failures]) -> None:
        self.counts = counts
        self._unit = unit
        self._keys = keys

    async def keep(self, counts: Mapping[bytes, float]) -> None:
        """Keep the counts of now."""
        await self._unit.execute(_KEEP_FAILURES, {"keys": [*counts], "failures": [*counts.values()]})

    async def take_back(self) -> None:
        """Count one less under each key."""
        await self._unit.execute(_TAKE_BACK, {"keys": self._keys})
        await self._unit.execute(_FORGET, {"keys": self._keys})

    async def forget(self) -> None:
        """Count none under each key."""
        await self.keep(dict.fromkeys(self._keys, 0.0))
        await self._unit.execute(_FORGET, {"keys": self._keys})


class FailureRepository:
    """The counts of wrong passwords, each change of which is kept at once, and the places that are known."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = {is_known: asyncio.Semaphore(AT_ONCE) for is_known in (True, False)}

    @asynccontextmanager
    async def held(self, keys: Sequence[bytes], *, are_known: bool = False) -> AsyncIterator[Held]:
        """The counts, locked in one order, so that no two wait for each other; in a unit of work of their own, which is
        kept whatever becomes of the request. Those of places that `are_known` do not wait for the turns of others.

        Raises TooManySignIns when its turn does not come. Whether a count was kept, when the connection is lost, is not
        what the client would ask about its request: that is Unavailable.
        """
        activity = current_activity.get()
        was_in_doubt = activity.is_in_doubt
        try:
            async with (
                turn(self._turns[are_known], LONGEST_WAIT, TooManySignIns),
                self._database.unit_of_work() as unit,  # check: a failure counts whatever becomes of the request
            ):
                rows = await unit.execute(_HOLD_FAILURES, {"keys": keys})
                yield Held(unit, keys, [Failures(key, failures, float(age)) for key, failures, age in rows])
        except CommitInDoubt as error:
            raise Unavailable from error.__cause__
        finally:
            activity.is_in_doubt = was_in_doubt

    async def forget(self, change: Change, keys: Sequence[bytes]) -> None:
        """Count none under the keys, if the change is kept."""
        await change.unit.execute(_REMOVE, {"keys": keys})

    async def knows(self, places: Sequence[bytes]) -> bool:
        """Whether somebody signed in at one of these lately."""
        return bool(await self._database.read(_KNOWS, {"keys": places}))

    async def remember(self, change: Change, place: bytes) -> None:
        """Somebody signs in there, if the change is kept."""
        await change.unit.execute(_REMEMBER, {"key": place})
