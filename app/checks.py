"""Checks of the operator's database: what rules it out, and what to warn about at the start."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.failures import told
from shared.settings import Settings
from shared.upkeep import standing_of
from shared.wire import connect

OLDEST_VERSION = 15
CLOCK_SECONDS = 1.0
"""If the clocks are further apart, tokens and sessions may be invalid by one of them."""

PLACES = """
    SELECT least(
        current_setting('max_connections')::int - (
            SELECT coalesce(sum(setting::int), 0) FROM pg_settings
            WHERE name IN ('superuser_reserved_connections', 'reserved_connections')
        ),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
    )"""
"""How many connections there can be for all: of the server, the database or the role."""

_CLUSTER = "SELECT system_identifier FROM pg_control_system()"


class UnfitDatabase(Exception):
    """Trellis cannot work on this database; the message says why."""


def refuse_unfit(connection: psycopg.Connection[Any]) -> None:
    """Raises UnfitDatabase."""
    number = connection.info.server_version
    if number < OLDEST_VERSION * 10_000:
        raise UnfitDatabase(f"PostgreSQL {OLDEST_VERSION} or newer is needed; this is {number // 10_000}.")
    (encoding,) = _row(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        name = connection.info.dbname
        raise UnfitDatabase(
            f"The database {name} is in {encoding}. One that was created with ENCODING 'UTF8' is needed."
        )


def concerns(settings: Settings) -> Iterator[str]:
    """A sentence for each warning at the start of `serve`. Raises UnfitDatabase."""
    try:
        with connect(settings.database_url or "", "trellis", autocommit=True) as connection:
            refuse_unfit(connection)
            if settings.pooled_url is None:  # Else the pooler has its own number of them.
                yield from _of_places(connection, 2 * settings.pool_size)
            yield from _of_the_clock(connection)
            yield from _of_the_schema(connection)
            for url in (settings.replica_urls or "").split():
                yield from concerns_of_a_replica(url, connection)
    except psycopg.Error as error:
        yield f"{told(error)} Until it can, requests are answered 503."


def _of_places(connection: psycopg.Connection[Any], wanted: int) -> Iterator[str]:
    (places,) = _row(connection, PLACES)
    if places < wanted:
        yield (
            f"This server opens up to {wanted} connections (twice TRELLIS_POOL_SIZE), and PostgreSQL has {places} for "
            "all: max_connections without what is reserved, or a limit of the role or the database."
        )


def clock_difference(connection: psycopg.Connection[Any]) -> float:
    """By how many seconds the database's clock and this machine's differ, at least."""
    before = time.time()
    (database,) = _row(connection, "SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    return float(max(before - database, database - after))


def _of_the_clock(connection: psycopg.Connection[Any]) -> Iterator[str]:
    apart = clock_difference(connection)
    if apart > CLOCK_SECONDS:
        yield f"The database's clock and this machine's are {apart:.0f} s apart: have both follow a time server."


def _of_the_schema(connection: psycopg.Connection[Any]) -> Iterator[str]:
    if lacks := standing_of(connection).lacks:
        yield f"The database has not the schema that this version needs ({', '.join(sorted(lacks))}): trellis migrate"


def concerns_of_a_replica(url: str, primary: psycopg.Connection[Any]) -> Iterator[str]:
    """A sentence where it is not read from. Nothing fails for lack of one: what it could answer, the primary does."""
    at = conninfo_to_dict(url)
    where = f"The replica at {at.get('host', 'this machine')}, port {at.get('port', 5432)},"
    try:
        with connect(url, "trellis", autocommit=True) as connection:
            (is_replica,) = _row(connection, "SELECT pg_is_in_recovery()")
            if not is_replica:
                yield f"{where} is none: it takes writes of its own. It is not read from."
            elif _row(connection, _CLUSTER) != _row(primary, _CLUSTER):
                yield f"{where} is one of another cluster, with other data. It is not read from."
    except psycopg.Error as error:
        yield f"{where} is not read from until it answers. {told(error)}"


def _row(connection: psycopg.Connection[Any], statement: str) -> Any:
    return connection.execute(statement).fetchone()
