"""A connection to PostgreSQL: made from the operator's URL, with the settings that the code relies on. Each wait for it
has a deadline.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from math import inf
from time import perf_counter
from typing import Any, TypeVar

from psycopg import AsyncConnection, OperationalError, adapt
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict

from shared.observing import current_activity
from shared.settings import Settings
from shared.wire.direct import CONNECT_SECONDS, RELIED_ON
from shared.wire.statements import Record

R = TypeVar("R")

BLANK = "\\ "
"""A blank within a value of libpq's `options`."""

GRACE_SECONDS = 2.0
"""How long we wait for PostgreSQL beyond the statement timeout, at which it should have given up by itself."""

_KEEPALIVE = {"keepalives_idle": 30, "tcp_user_timeout": 15_000}
"""Seconds and milliseconds: a server that was cut off is noticed earlier than by TCP's defaults."""

_NOTICED = {"client_connection_check_interval": "500"}
"""Milliseconds after which a statement ends whose caller has closed the connection, because the client went away."""

_TOO_DEAR = {"jit": "off", "max_parallel_workers_per_gather": "0"}
"""To start either costs more than our slowest statement."""


class PostgresConnection(AsyncConnection[Record]):
    """Psycopg's connection, which waits at most `deadline_seconds` for PostgreSQL, even a stopped one."""

    deadline_seconds: float = CONNECT_SECONDS
    slow_seconds: float = inf
    """What takes so long is told of in the log."""

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


def connector(settings: Settings, **session_settings: str) -> Callable[[], Awaitable[PostgresConnection]]:
    """Makes connections, in AUTOCOMMIT, with these settings and those that the code relies on.

    They raise psycopg.OperationalError when PostgreSQL does not answer within CONNECT_SECONDS.
    """
    if settings.database_url is None:
        raise RuntimeError("The embedded PostgreSQL was not started: there is no DATABASE_URL.")
    url = settings.database_url
    timeouts = {
        "statement_timeout": f"{settings.statement_seconds * 1000:.0f}",
        "lock_timeout": f"{max(1, settings.lock_seconds * 1000):.0f}",
        "idle_in_transaction_session_timeout": f"{settings.statement_seconds * 2000:.0f}",
    }
    pinned = RELIED_ON | _TOO_DEAR | _NOTICED | timeouts | session_settings
    given = conninfo_to_dict(url).get("options") or os.environ.get("PGOPTIONS", "")  # Such as a search_path.
    options = [str(given), *(f"-c {name}={value.replace(' ', BLANK)}" for name, value in pinned.items())]
    keywords: dict[str, Any] = {
        **_KEEPALIVE,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "trellis",
        "client_encoding": "UTF8",
        "options": " ".join(options).strip(),
    }

    async def connect() -> PostgresConnection:
        # Psycopg prepares nothing: after a ROLLBACK it would deallocate the wire's statements along with its own.
        connection = await PostgresConnection.connect(url, autocommit=True, prepare_threshold=None, **keywords)
        connection.deadline_seconds = settings.statement_seconds + GRACE_SECONDS
        connection.slow_seconds = settings.slow_statement_seconds
        connection.adapters.register_loader("json", _DocumentLoader)
        status = connection.pgconn.parameter_status
        if status(b"DateStyle") != b"ISO, MDY" or status(b"TimeZone") != b"UTC":  # PGDATESTYLE, PGTZ come after.
            try:
                await connection.execute("SET datestyle = ISO, MDY; SET timezone = UTC")
            except BaseException:
                connection.pgconn.finish()
                raise
        return connection

    return connect


class _DocumentLoader(adapt.Loader):
    """A value of type `json` is a document that PostgreSQL built for the client: bytes to pass on, not to parse."""

    def load(self, data: Any) -> bytes:
        return bytes(data)
