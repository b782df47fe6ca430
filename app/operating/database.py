"""What `trellis doctor` asks the database."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Select, column, func, literal, literal_column, select, table

from app.checks import CLOCK_SECONDS, OLDEST_VERSION, PLACES, clock_difference, concerns_of_a_replica
from app.failures import told
from app.operating.findings import DatabaseCheck, Deployment, Finding, Word, fine
from app.operating.schema import schema
from shared.errors import DomainError
from shared.feed import has_strangers
from shared.jobs import counted
from shared.rows import Model
from shared.wire import RELIED_ON, Database, Record, Statement

NEWEST_VERSION = 18
"""The suite runs on this one."""
SPARE_PLACES = 3
"""Connections to leave for `trellis migrate` and whoever mends things."""
OVERDUE_MINUTES = 10
_TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout")
WRAPAROUND = 1_500_000_000
"""Transactions since the oldest that is not frozen; at 2,100 million PostgreSQL takes no more."""

_DANGERS = {
    "fsync": ("off", "a crash of the machine can destroy the database"),
    "full_page_writes": ("off", "a crash of the machine can destroy pages of the database"),
    "synchronous_commit": ("off", "writes that were acknowledged are lost in a crash"),
    "autovacuum": ("off", "tables grow without end, and PostgreSQL stops in the end"),
}
"""Settings of the server with which data are lost: the setting, its bad value, and why."""
_DENIED = """
    SELECT CASE relkind WHEN 'S' THEN 'use the sequence' ELSE 'read and write the table' END, relname FROM pg_class
    WHERE pg_table_is_visible(oid) AND (relname = ANY(%s) OR relname LIKE 'procrastinate\\_%%') AND CASE relkind
        WHEN 'S' THEN NOT has_sequence_privilege(oid, 'USAGE')
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'i')
        WHEN 'r' THEN NOT (SELECT bool_and(has_table_privilege(pg_class.oid, kind))
            FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS kind)
        ELSE false END
    ORDER BY relname"""
"""What of ours, and of the queue's, the role may not use. The sequence of an identity needs no right."""
_WHICH: Select[Any] = select(func.current_database(), literal_column("(pg_control_system()).system_identifier"))
_FILLED = """
    CREATE TEMPORARY TABLE trellis_room ON COMMIT DROP TABLESPACE {} AS SELECT generate_series(1, 30000)"""
"""Takes a megabyte of room where the database is, until the statement is over."""
_HOME = "SELECT spcname FROM pg_tablespace JOIN pg_database ON dattablespace = pg_tablespace.oid WHERE datname = %s"
_DURABLE = "Switch it on where it was switched off: the server, the database or the role."


def version(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether this version of PostgreSQL is known."""
    number = connection.info.server_version // 10_000
    range = f"{OLDEST_VERSION} to {NEWEST_VERSION}"
    word: Word = "error" if number < OLDEST_VERSION else "warning"
    badly, way_out = f"PostgreSQL {number} was never tried with this version.", f"Use PostgreSQL {range}."
    well, is_known = f"PostgreSQL {number}, of {range}.", OLDEST_VERSION <= number <= NEWEST_VERSION
    yield fine("version", well) if is_known else Finding(word, "version", badly, way_out)


def encoding(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether all texts of clients can be stored, and collated as they were."""
    (given,) = _row(connection, "SHOW server_encoding")
    way_out = "Make a database with ENCODING 'UTF8' TEMPLATE template0, and restore a dump into it."
    badly = f"The database is in {given}."
    yield fine("encoding", "UTF8.") if given == "UTF8" else Finding("error", "encoding", badly, way_out)
    (then, now) = _row(
        connection,
        "SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database"
        " WHERE datname = current_database()",
    )
    name = sql.Identifier(connection.info.dbname).as_string()
    badly = f"The library that sorts texts was {then} when the indexes were built, and is {now}: they may miss rows."
    way_out = f"REINDEX DATABASE {name}; ALTER DATABASE {name} REFRESH COLLATION VERSION"
    is_same = then in {None, now}
    yield fine("collation", "Indexes are sorted as now.") if is_same else Finding("error", "collation", badly, way_out)


def durability(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether what was acknowledged survives a crash, and can be backed up continuously."""
    names = [*_DANGERS, "wal_level"]
    rows = connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [names]).fetchall()
    settings = {str(name): str(value) for name, value in rows}
    bad = {name: why for name, (value, why) in _DANGERS.items() if settings[name] == value}
    for name, why in bad.items():
        yield Finding("error", "durability", f"{name} is {settings[name]}: {why}.", _DURABLE)
    if settings["wal_level"] == "minimal":
        says = "wal_level is minimal: neither point-in-time recovery nor a standby is possible."
        yield Finding("warning", "durability", says, "ALTER SYSTEM SET wal_level = replica, and restart.")
    elif not bad:
        yield fine("durability", f"What is acknowledged is on the disk; wal_level is {settings['wal_level']}.")


def room(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether the disk of the database has room. Reads go on when it has none, and so does all else that is asked."""
    (home,) = _row(connection, _HOME, [connection.info.dbname])
    try:
        connection.execute(sql.SQL(_FILLED).format(sql.Identifier(home)))
    except psycopg.errors.DiskFull as error:
        yield Finding(
            "error", "room", told(error), "Free some of PostgreSQL's disk, or enlarge it: no write can be done."
        )
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
        return  # Nobody may try it here. Whether the role may write at all is another question.
    else:
        yield fine("room", "PostgreSQL's disk has room.")


def connections(deployment: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether PostgreSQL has as many connections as all processes may open."""
    settings, (places,) = deployment.settings, _row(connection, PLACES)
    is_pooled, at_once = settings.pooled_url is not None, min(settings.worker_jobs, settings.pool_size)
    each_server = 0 if is_pooled else 2 * settings.pool_size
    # To take and end a job, to give signs and look round; and the job's own unit of work and read, but by a pooler.
    each_worker = (1 if is_pooled else 3) * at_once + 3
    workers = deployment.workers + (deployment.replicas if settings.worker or deployment.is_embedded else 0)
    wanted = deployment.replicas * each_server + workers * each_worker + SPARE_PLACES
    servers, others = f"{deployment.replicas} x {each_server} for servers", f"{workers} x {each_worker} for workers"
    sum = f"{servers}, {others}, {SPARE_PLACES} spare"
    way_out = (
        f"Raise max_connections, or the limit of role or database, by {wanted - places}; or lower TRELLIS_POOL_SIZE."
    )
    badly = f"All processes open up to {wanted} connections ({sum}), and PostgreSQL has {places}."
    well = f"Up to {wanted} of {places} are wanted: {sum}. --replicas and --workers tell of others."
    yield Finding("error", "connections", badly, way_out) if places < wanted else fine("connections", well)


def replicas(deployment: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether reads can be answered from them."""
    urls = (deployment.settings.replica_urls or "").split()
    found = [concern for url in urls for concern in concerns_of_a_replica(url, connection)]
    for concern in found:
        yield Finding("warning", "replicas", concern, "TRELLIS_REPLICA_URLS says where they are.")
    if urls and not found:
        yield fine("replicas", f"Reads can be answered from {len(urls)}.")


def role(deployment: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether the role can do what is asked of it, and not everything."""
    way_out = "Connect to the primary, as a role that may write."
    (is_standby, is_read_only) = _row(
        connection, "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'"
    )
    if is_standby or is_read_only:
        what = "a standby" if is_standby else "read-only (default_transaction_read_only)"
        yield Finding("error", "role", f"The database is {what}: no write can be done.", way_out)
    denied = connection.execute(_DENIED, [[*Model.metadata.tables]]).fetchall()
    for what in denied:
        says = "{} may not {} {}.".format(connection.info.user, *what)
        way_out = "Use the role that ran `trellis migrate`, or grant it all tables and sequences."
        yield Finding("error", "role", says, way_out)
    sees = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'usage')"
    if deployment.settings.metrics_port is not None and not _row(connection, sees)[0]:
        says = f"{connection.info.user} sees no sessions of other roles: metrics tell nothing of what they hold back."
        yield Finding("warning", "role", says, f"GRANT pg_read_all_stats TO {connection.info.user};")
    (is_superuser,) = _row(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if is_superuser and not deployment.is_embedded:
        says = f"{connection.info.user} is a superuser, whom no permission binds."
        yield Finding("warning", "role", says, "Make a role of its own that owns the database: CREATE ROLE … LOGIN.")
    elif not denied:
        yield fine("role", f"{connection.info.user} may read and write every table.")


def transport(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether the way to the database is encrypted."""
    host = connection.info.host
    is_near = host.startswith("/") or host in {"localhost", "127.0.0.1", "::1"}
    badly = f"Passwords and data go to {host} without TLS."
    way_out = "Add sslmode=verify-full to DATABASE_URL, unless the network is yours alone."
    is_open = not is_near and not connection.pgconn.ssl_in_use
    well = "TLS is used." if connection.pgconn.ssl_in_use else "The database is on this machine."
    yield Finding("warning", "transport", badly, way_out) if is_open else fine("transport", well)


def sessions(deployment: Deployment, _: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether requests' statements have the settings that the code relies on. A pooler in between may drop them."""
    settings = table("pg_settings", column("name"), column("setting"))
    name = func.lower(settings.c.name)  # PostgreSQL writes some in two cases: DateStyle.
    wanted = select(name, settings.c.setting).where(name.in_([literal(name) for name in (*RELIED_ON, *_TIMEOUTS)]))
    given: dict[str, str] = dict(_in_a_lane(deployment, wanted))
    other = [f"{name} is {given[name]}" for name, value in RELIED_ON.items() if given[name] != value]
    other += [f"there is no {name}" for name in _TIMEOUTS if given[name] == "0"]
    badly = f"Statements do not have the settings that they rely on: {', '.join(other)}."
    way_out = "Is there a pooler in between, which drops the options of a connection? Go past it."
    yield Finding("error", "sessions", badly, way_out) if other else fine("sessions", "Statements have their settings.")


def pooler(deployment: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether it leads to the database that `trellis migrate` changes."""
    if deployment.settings.pooled_url is None:
        return
    ((name, cluster),) = _in_a_lane(deployment, _WHICH)
    is_same = (name, cluster) == _row(connection, str(_WHICH))
    badly = f"TRELLIS_POOLED_URL leads to another database, named {name}."
    way_out = "Have it lead to the one of DATABASE_URL, which is migrated."
    well = "It leads to the database of DATABASE_URL."
    yield fine("pooler", well) if is_same else Finding("error", "pooler", badly, way_out)


def _in_a_lane(deployment: Deployment, wanted: Select[Any]) -> list[Record]:
    """What a request's statement is told."""

    async def asked() -> list[Record]:
        database = Database(deployment.settings)
        try:
            return await database.read(Statement(wanted), {})
        finally:
            await database.close()

    try:
        return asyncio.run(asked())
    except DomainError as error:
        if deployment.settings.pooled_url is not None:
            error.add_note("TRELLIS_POOLED_URL says where it is.")
        raise


def restoration(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether a restore was brought to its end."""
    says = "The journal has numbers of another cluster's transactions: the database was restored from a dump."
    well = fine("restoration", "The journal is one of this cluster.")
    yield Finding("error", "restoration", says, "trellis restored") if has_strangers(connection) else well


def clock(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether the database's clock and ours are the same."""
    apart = clock_difference(connection)
    badly = f"The database's clock and this machine's are {apart:.0f} s apart: tokens may be refused."
    way_out = "Have both machines follow a time server."
    if apart > CLOCK_SECONDS:
        yield Finding("error", "clock", badly, way_out)
    else:
        yield fine("clock", "The database's clock is ours.")


def upkeep(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether somebody does the jobs, and VACUUM keeps up."""
    jobs = counted(connection, timedelta(minutes=OVERDUE_MINUTES))
    if jobs.dead:
        says = f"Jobs that were given up: {jobs.dead:,}."
        yield Finding("warning", "jobs", says, "trellis events list --state dead; trellis events resubmit")
    if jobs.overdue:
        says = f"Jobs that are due for more than {OVERDUE_MINUTES} minutes: {jobs.overdue:,}."
        yield Finding("error", "jobs", says, "Run `trellis worker`, or more of them.")
    elif not jobs.dead:
        yield fine("jobs", "None is overdue, and none was given up.")
    (age,) = _row(connection, "SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()")
    badly = f"{age:,} transactions are not frozen: before 2,100 million PostgreSQL takes no more."
    way_out = "VACUUM FREEZE; look for what holds VACUUM up in pg_stat_activity and pg_replication_slots."
    yield Finding("error", "vacuum", badly, way_out) if age > WRAPAROUND else fine("vacuum", "VACUUM keeps up.")


def _row(connection: psycopg.Connection[Any], statement: Any, values: Any = None) -> Any:
    return connection.execute(statement, values).fetchone()


CHECKS: tuple[DatabaseCheck, ...] = (
    *(version, encoding, durability, room, connections, replicas, role, transport, pooler, sessions, schema),
    *(restoration, clock, upkeep),
)
"""In the order in which they are told."""
