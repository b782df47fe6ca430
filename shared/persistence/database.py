"""The two lanes to PostgreSQL: units of work that write, and reads that answer from one statement."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from psycopg import adapt
from psycopg.abc import Buffer
from sqlalchemy import event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from shared.errors import Conflict, DomainError, Invalid, Unavailable
from shared.settings import Settings


class _DocumentLoader(adapt.Loader):
    """A value of type `json` is a document that PostgreSQL built for the client: bytes to pass on, not to parse."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


log = logging.getLogger("trellis")

_open_session: ContextVar[AsyncSession | None] = ContextVar("open_session", default=None)


class Database:
    """Gives each unit of work its session, and each read its connection."""

    def __init__(self, settings: Settings) -> None:
        self.write_engine = _engine(settings)
        self.read_engine = _engine(settings, isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """One transaction, committed at the end and rolled back whole on any error.

        It begins, and takes a connection, with its first statement. Only the edges open one: the route of a
        state-changing request, a command, a job. Services and repositories use `session` and never commit.
        """
        if _open_session.get() is not None:
            raise RuntimeError("A unit of work is open already.")
        async with self._new_session() as session:
            token = _open_session.set(session)
            try:
                with translated():
                    yield session
                    await session.commit()
            finally:
                _open_session.reset(token)

    @property
    def session(self) -> AsyncSession:
        """The session of the open unit of work."""
        session = _open_session.get()
        if session is None:
            raise RuntimeError("No unit of work is open: only state-changing requests, commands and jobs write.")
        return session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with: of the unit of work once it has begun, so that it sees its own writes; else of
        the read lane, in AUTOCOMMIT, where a read costs one round trip.
        """
        session = _open_session.get()
        with translated():
            if session is not None and session.in_transaction():
                await session.flush()
                yield await session.connection()
            else:
                async with self._read_connection() as connection:
                    yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self.write_engine.dispose()
        await self.read_engine.dispose()

    def _new_session(self) -> AsyncSession:
        return AsyncSession(self.write_engine, expire_on_commit=False)

    def _read_connection(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self.read_engine.connect()


def _engine(settings: Settings, **options: str) -> AsyncEngine:
    if settings.database_url is None:
        raise RuntimeError("The embedded PostgreSQL was not started: there is no DATABASE_URL.")
    session_settings = {
        "timezone": "UTC",
        "application_name": "trellis",
        "statement_timeout": f"{settings.statement_seconds * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{settings.statement_seconds * 2000:.0f}",
    }
    engine = create_async_engine(
        make_url(settings.database_url).set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": 5,
            "options": " ".join(f"-c {name}={value}" for name, value in session_settings.items()),
        },
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_wait_seconds,
        pool_use_lifo=True,
        **options,
    )
    event.listen(engine.sync_engine, "connect", _pass_documents_on)
    return engine


def _pass_documents_on(connection: Any, _record: object) -> None:
    connection.driver_connection.adapters.register_loader("json", _DocumentLoader)


@contextmanager
def translated() -> Iterator[None]:
    """Raises what the database refused as a domain error: the one place where driver errors are read."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _domain_error(error) from error
    except exc.TimeoutError as error:
        raise Unavailable("Every connection to the database is in use.") from error


_MEANING: Mapping[str | None, Callable[[], DomainError]] = {
    "23505": Conflict,  # unique_violation
    "23503": Conflict,  # foreign_key_violation
    "23514": Invalid,  # check_violation
    "57014": partial(Unavailable, "The database took too long to answer."),  # query_canceled, by the timeout
    "55P03": partial(Unavailable, "Another change stood in the way."),  # lock_not_available
    "40001": partial(Unavailable, "Another change stood in the way."),  # serialization_failure
    "40P01": partial(Unavailable, "Another change stood in the way."),  # deadlock_detected
}
"""What an SQLSTATE means where no constraint of ours is named."""


def _domain_error(error: exc.DBAPIError) -> Exception:
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if constraint in DomainError.by_constraint:
        return DomainError.by_constraint[constraint]()
    log.warning("The database refused a statement: %s", error.orig)
    state = getattr(error.orig, "sqlstate", None)
    if state in _MEANING:
        return _MEANING[state]()
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
        return Unavailable("The database cannot be reached.")
    if isinstance(error, exc.DataError):
        return Invalid("A value is outside of what the database can hold.")
    return error
