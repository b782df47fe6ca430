"""The two lanes to PostgreSQL: units of work that write, and reads that answer from one statement."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import psycopg
from psycopg import adapt
from psycopg.abc import Buffer
from sqlalchemy import Connection, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util import await_

from shared.errors import Conflict, Contended, DomainError, Invalid, Unavailable
from shared.persistence.lane import LIFETIME_SECONDS, ReadConnection, ReadLane, Wire
from shared.persistence.statements import Row, Statement
from shared.persistence.unit_of_work import UnitOfWork, begin
from shared.settings import Settings


class _DocumentLoader(adapt.Loader):
    """A value of type `json` is a document that PostgreSQL built for the client: bytes to pass on, not to parse."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


log = logging.getLogger("trellis")

_open_unit: ContextVar[UnitOfWork | None] = ContextVar("open_unit", default=None)


class Database:
    """Gives each unit of work its session, and each read its connection."""

    def __init__(self, settings: Settings) -> None:
        self.write_engine = _write_engine(settings)
        self.read_lane = _read_lane(settings)
        self._streams = asyncio.Semaphore(max(1, settings.pool_size // 2))

    @asynccontextmanager
    async def unit_of_work(self, *, dry_run: bool = False) -> AsyncIterator[UnitOfWork]:
        """One transaction, committed at the end and rolled back whole on any error.

        Only the edges open one: the route of a state-changing request, a command, a job. Services and repositories use
        what is open, and never commit. A dry run does everything, checks every constraint, and is rolled back. Raises
        CommitInDoubt when the connection is lost at the very end.
        """
        if self.in_unit_of_work:
            raise RuntimeError("A unit of work is open already.")
        unit = self._new_unit()
        token = _open_unit.set(unit)
        try:
            with translated():
                yield unit
                await unit.end(dry_run=dry_run)
        finally:
            _open_unit.reset(token)
            await unit.close()

    @property
    def in_unit_of_work(self) -> bool:
        """Whether one is open."""
        return _open_unit.get() is not None

    @property
    def unit(self) -> UnitOfWork:
        """The open unit of work."""
        unit = _open_unit.get()
        if unit is None:
            raise RuntimeError("No unit of work is open: only state-changing requests, commands and jobs write.")
        return unit

    @property
    def session(self) -> AsyncSession:
        """The session of the open unit of work."""
        return self.unit.session

    async def read(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """The rows of a statement: in the unit of work once that has begun, so that it sees its own writes; else on the
        read lane, in AUTOCOMMIT, where a read costs one round trip.
        """
        unit = _open_unit.get()
        with translated():
            if unit is not None and unit.has_begun:
                return await unit.execute(statement, values)
            return await self.read_lane.rows(statement, values)

    async def execute(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """Execute a statement in the unit of work, which it begins: what changes something, or holds a lock."""
        with translated():
            return await self.unit.execute(statement, values)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[ReadConnection]:
        """A connection of the read lane to oneself, for what takes longer than one statement."""
        with translated():
            async with self.read_lane.connection() as connection:
                yield connection

    async def stream(self, statement: Statement, values: Mapping[str, Any]) -> AsyncGenerator[list[Row], None]:
        """The rows of a statement that has very many, in batches; on a connection of the read lane to itself.

        At most half of the lane's connections stream at once. Raises Unavailable when they do.
        """
        if self._streams.locked():
            raise Unavailable("Too many exports are running just now.")
        async with self._streams, self.reading() as connection, connection.transaction():
            async for rows in statement.batches(connection, values):
                yield rows

    async def close(self) -> None:
        """Close every connection."""
        await self.write_engine.dispose()
        self.read_lane.close()

    def _new_unit(self) -> UnitOfWork:
        return UnitOfWork(self.write_engine)


def _session_settings(settings: Settings, **more: str) -> str:
    """The `options` of a connection: the URL's own, and then ours."""
    session_settings = {
        "timezone": "UTC",
        "application_name": "trellis",
        "statement_timeout": f"{settings.statement_seconds * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{settings.statement_seconds * 2000:.0f}",
        # Starting either costs more than any statement of ours takes.
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
    } | more
    given = make_url(settings.database_url or "").query.get("options", "")
    return " ".join([str(given), *(f"-c {name}={value}" for name, value in session_settings.items())])


_KEEPALIVE = {"connect_timeout": 5, "keepalives_idle": 30, "tcp_user_timeout": 15_000}
"""Seconds, seconds and milliseconds: a server that was cut off is noticed before TCP would give up."""


def _url(settings: Settings, driver: str) -> str:
    if settings.database_url is None:
        raise RuntimeError("The embedded PostgreSQL was not started: there is no DATABASE_URL.")
    return make_url(settings.database_url).set(drivername=driver).render_as_string(hide_password=False)


def _write_engine(settings: Settings) -> AsyncEngine:
    engine = create_async_engine(
        _url(settings, "postgresql+psycopg"),
        connect_args={
            **_KEEPALIVE,
            "options": _session_settings(settings),
            "autocommit": True,  # psycopg's word for not sending BEGIN by itself: `_begin` does.
            "prepare_threshold": None,  # After a ROLLBACK psycopg would deallocate the wire's statements with its own.
        },
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_wait_seconds,
        pool_use_lifo=True,
        pool_recycle=LIFETIME_SECONDS,
    )
    event.listen(engine.sync_engine, "connect", _connected)
    event.listen(engine.sync_engine, "checkout", _checked_out)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _connected(connection: Any, record: Any) -> None:
    connection.driver_connection.adapters.register_loader("json", _DocumentLoader)
    record.info["wire"] = Wire(connection.driver_connection)


def _checked_out(_connection: object, record: Any, _proxy: object) -> None:
    if record.info["wire"].is_lost():
        raise exc.DisconnectionError  # The pool gives another one.


def _begin(connection: Connection) -> None:
    wire: Wire = connection.connection.info["wire"]
    await_(begin(wire))
    wire.unplug()


def _read_lane(settings: Settings) -> ReadLane:
    # Planning a page takes PostgreSQL longer than reading it, so a plan is made once and kept, whatever the values.
    options = _session_settings(settings, plan_cache_mode="force_generic_plan")
    url = _url(settings, "postgresql")

    async def connect() -> ReadConnection:
        keywords: dict[str, Any] = {**_KEEPALIVE, "options": options}
        connection = await ReadConnection.connect(url, autocommit=True, **keywords)
        connection.adapters.register_loader("json", _DocumentLoader)
        return connection

    return ReadLane(connect, settings.pool_size, settings.pool_wait_seconds)


@contextmanager
def translated() -> Iterator[None]:
    """Raises what the database refused as a domain error: the one place where driver errors are read."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _domain_error(error.orig) or error from error
    except exc.TimeoutError as error:
        raise Unavailable("Every connection to the database is in use.") from error
    except psycopg.Error as error:
        raise _domain_error(error) or error from error


_MEANING: Mapping[str | None, Callable[[], DomainError]] = {
    "23505": Conflict,  # unique_violation
    "23503": Conflict,  # foreign_key_violation
    "23514": Invalid,  # check_violation
    "57014": partial(Unavailable, "The database took too long to answer."),  # query_canceled, by the timeout
    "25006": partial(Unavailable, "The database takes no changes just now."),  # read_only_sql_transaction
    "40001": Contended,  # serialization_failure
    "40P01": Contended,  # deadlock_detected
    "55P03": Contended,  # lock_not_available
}
"""What an SQLSTATE means where no constraint of ours is named."""


def _domain_error(error: BaseException | None) -> DomainError | None:
    """None for what is a fault of ours."""
    if not isinstance(error, psycopg.Error):
        return None
    if error.diag.constraint_name in DomainError.by_constraint:
        return DomainError.by_constraint[error.diag.constraint_name]()
    # Not the whole message: its DETAIL quotes the row.
    log.warning("The database refused a statement: %s %s", error.sqlstate, error.diag.message_primary or error)
    if error.sqlstate in _MEANING:
        return _MEANING[error.sqlstate]()
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable("The database cannot be reached.")
    if isinstance(error, psycopg.DataError):
        return Invalid("A value is outside of what the database can hold.")
    return None
