"""A connection to PostgreSQL: made from the operator's URL, with the settings that the code relies on. Each wait for it
has a deadline.
"""

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from time import perf_counter
from typing import Any, TypeVar

from psycopg import AsyncConnection, OperationalError, adapt
from psycopg.abc import PQGen

from shared.observing import current_activity
from shared.settings import Settings
from shared.wire.direct import (
    CONNECT_SECONDS,
    KEEPALIVE,
    NOT_DIRECT,
    RELIED_ON,
    Misled,
    explained,
    given_options,
    has_options,
    session,
)
from shared.wire.statements import Record

R = TypeVar("R")

NOT_READ_COMMITTED = (
    "behind the pooler, transactions begin at another isolation level than Trellis is made for: ALTER ROLE … SET "
    "default_transaction_isolation = 'read committed', and RECONNECT in the pooler"
)

NAME = "trellis"
"""Of the sessions, in pg_stat_activity."""

GRACE_SECONDS = 2.0
"""How long we wait for PostgreSQL beyond the statement timeout, at which it should have given up by itself."""

LIFETIME_SECONDS = 3600
"""A connection is replaced after this time: PostgreSQL's caches for it only grow."""
STANDBY_SECONDS = 10
"""The same where the primary is wanted, and a standby answers: after a failover, a name may lead to the former primary
for a while.
"""

_NOTICED = {"client_connection_check_interval": "500"}
"""Milliseconds after which a statement ends whose caller has closed the connection, because the client went away."""

_TOO_DEAR = {"jit": "off", "max_parallel_workers_per_gather": "0"}
"""To start either costs more than our slowest statement."""


class PostgresConnection(AsyncConnection[Record]):
    """Psycopg's connection, which waits at most `deadline_seconds` for PostgreSQL, even a stopped one."""

    deadline_seconds: float = CONNECT_SECONDS
    lifetime_seconds: float = LIFETIME_SECONDS
    slow_seconds: float = inf
    """What takes so long is told of in the log."""
    preamble: str = ""
    """What each transaction begins with, where the session cannot have the settings that the code relies on."""

    async def wait(self, gen: PQGen[R], *args: Any, **options: Any) -> R:
        """Raises OperationalError past the deadline, which ends the connection."""
        timer = asyncio.get_running_loop().call_later(self.deadline_seconds, self._cut)
        begun = perf_counter()
        try:
            return await super().wait(gen, *args, **options)
        finally:
            timer.cancel()
            current_activity.get().account(1, perf_counter() - begun, self.slow_seconds)

    def _cut(self) -> None:
        """End the connection for whoever waits. A cancellation would have to wait for the same server again."""
        try:
            with socket.socket(fileno=os.dup(self.pgconn.socket)) as own:
                own.shutdown(socket.SHUT_RDWR)
        except (OSError, OperationalError):  # It has ended meanwhile.
            return


Connect = Callable[[], Awaitable[PostgresConnection]]
"""Makes a connection."""


def connector(settings: Settings, url: str | None = None, **session_settings: str) -> Connect:
    """Makes connections, in AUTOCOMMIT, with these settings and those that the code relies on.

    By the URL, else to the pooler if there is one, else to the database. They raise psycopg.OperationalError when
    PostgreSQL does not answer within CONNECT_SECONDS, or would not have the settings.
    """
    is_replica = url is not None
    is_pooled = not is_replica and settings.pooled_url is not None
    url = url or settings.pooled_url or settings.database_url
    if url is None:
        raise RuntimeError("The embedded PostgreSQL was not started: there is no DATABASE_URL.")
    timeouts = {
        "statement_timeout": f"{settings.statement_seconds * 1000:.0f}",
        "lock_timeout": f"{max(1, settings.lock_seconds * 1000):.0f}",
        "idle_in_transaction_session_timeout": f"{settings.statement_seconds * 2000:.0f}",
    }
    given, pinned = given_options(url), RELIED_ON | _TOO_DEAR | _NOTICED | timeouts | session_settings
    keywords: dict[str, Any] = {
        **KEEPALIVE,
        "connect_timeout": CONNECT_SECONDS,
        "client_encoding": "UTF8",
        **({"application_name": NAME, "options": ""} if is_pooled else session(url, NAME, pinned)),
    }

    async def connect() -> PostgresConnection:
        try:
            # Psycopg prepares nothing: after a ROLLBACK it would deallocate the wire's statements along with its own.
            connection = await PostgresConnection.connect(url, autocommit=True, prepare_threshold=None, **keywords)
        except OperationalError as error:
            raise explained(error) from error
        connection.deadline_seconds = settings.statement_seconds + GRACE_SECONDS
        connection.slow_seconds = settings.slow_statement_seconds
        if not is_replica and connection.pgconn.parameter_status(b"in_hot_standby") == b"on":
            connection.lifetime_seconds = STANDBY_SECONDS
        connection.adapters.register_loader("json", _DocumentLoader)
        connection.preamble = _preamble(_in_options(given) | pinned) if is_pooled else ""
        try:
            await _prove(connection)
        except BaseException:
            connection.pgconn.finish()
            raise
        return connection

    return connect


async def _prove(connection: PostgresConnection) -> None:
    """Raises OperationalError when statements would not have the settings that the code relies on."""
    status = connection.pgconn.parameter_status
    if status(b"DateStyle") != b"ISO, MDY" or status(b"TimeZone") != b"UTC":  # PGDATESTYLE, PGTZ come after.
        await connection.execute("SET datestyle = ISO, MDY; SET timezone = UTC")  # Poolers keep these two.
    if connection.preamble:
        (level,) = await (await connection.execute("SHOW default_transaction_isolation")).fetchone() or ("",)
        if level != RELIED_ON["default_transaction_isolation"]:
            raise Misled(NOT_READ_COMMITTED)
    elif not has_options(connection, NAME):
        raise Misled(NOT_DIRECT)


def _in_options(options: str) -> dict[str, str]:
    """The settings in libpq's `options`, such as a search_path."""
    found = re.findall(r"(?:^|\s)(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)", options)
    return {name.replace("-", "_"): re.sub(r"\\(.)", r"\1", value) for name, value in found}


def _preamble(pinned: Mapping[str, str]) -> str:
    """For the start of a transaction. In a pipeline without BEGIN, it holds until the pipeline's end."""
    quoted = {name: value.replace("'", "''") for name, value in pinned.items()}
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in quoted.items())


class _DocumentLoader(adapt.Loader):
    """A value of type `json` is a document that PostgreSQL built for the client: bytes to pass on, not to parse."""

    def load(self, data: Any) -> bytes:
        return bytes(data)
