"""The PostgreSQL of a run, migrated, and the rows in it: the same at every run."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from app.embedded import EmbeddedPostgres
from app.embedded.server import SETTINGS
from benchmarks.servers import PROGRAMS, ROOT

USERS = 100
READER, SECOND = 0, USERS - 1
"""The numbers of the accounts that were made over HTTP; the others are rows."""
TAGS_EACH = 10
RARE_WORD, COMMON_WORD = "heliotrope", "garden"
"""For searches: 50 projects have the one, a tenth of all the other."""

_WORDS = ["bed", "border", "bulb", "compost", "fern", "greenhouse", "hedge", "ivy", "lawn", "moss", "orchard", "path"]
_WORDS += ["pergola", "pond", "rose", "shed", "terrace", "trellis", "wall"]

_PREPARATION = """
CREATE OR REPLACE FUNCTION pg_temp.moment(i bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT timestamptz '2025-01-01 00:00:00.125+00' + i * interval '1 second'
$$;
CREATE OR REPLACE FUNCTION pg_temp.uuid7(kind text, i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM pg_temp.moment(i)) * 1000)::bigint), 12, '0')
        || '7' || substr(md5(kind || i), 1, 3) || '8' || substr(md5(kind || i), 4, 15))::uuid
$$;
CREATE TEMPORARY TABLE IF NOT EXISTS accounts (number int PRIMARY KEY, id uuid NOT NULL);
"""
_OTHERS = """
WITH made AS (
    INSERT INTO users (id, created_at, updated_at, email, full_name, password_hash, role, is_active, email_verified)
    SELECT pg_temp.uuid7('user', n), pg_temp.moment(n), pg_temp.moment(n), 'user' || n || '@example.com', 'User ' || n,
        'none', 'user', true, true
    FROM generate_series(1, {users} - 2) n
)
INSERT INTO accounts SELECT n, pg_temp.uuid7('user', n) FROM generate_series(1, {users} - 2) n
"""
_TAGS = """
INSERT INTO tags (id, created_at, updated_at, owner_id, name, slug, color)
SELECT pg_temp.uuid7('tag', number * {tags} + k), pg_temp.moment(k), pg_temp.moment(k), id,
    'Label ' || k, 'label-' || k, '#' || substr(md5(k::text), 1, 6)
FROM accounts, generate_series(0, {tags} - 1) k
"""
_PROJECTS = """
INSERT INTO projects (id, created_at, updated_at, owner_id, owner_since, external_id, name, description, status,
    starts_on, due_on)
SELECT pg_temp.uuid7('project', i), moment, moment, accounts.id, moment,
    CASE WHEN i % 2 = 0 THEN 'EXT-' || i END,
    initcap({words}[1 + i % 19]) || ' and ' || {words}[1 + i * 7 % 19] || ' ' || i,
    CASE WHEN i % 3 <> 0 THEN 'Planned in spring for the ' || CASE WHEN i / 10 % 10 = 1 THEN {common} ELSE 'yard' END
        || CASE WHEN i <= 500 AND i % 10 = 0 THEN ' of the ' || {rare} ELSE '' END
        || ', to be looked at again once the ' || {words}[1 + i * 3 % 19] || ' stands; “see № ' || i || '”.' END,
    (ARRAY['active', 'active', 'active', 'paused', 'completed', 'archived'])[1 + i / 10 % 6],
    CASE WHEN i % 2 = 0 THEN moment::date END, CASE WHEN i % 4 = 0 THEN moment::date + 30 END
FROM generate_series({first}::bigint, {last}::bigint) i
    CROSS JOIN LATERAL (SELECT pg_temp.moment(i) AS moment) m
    JOIN accounts ON accounts.number = {owner}
"""
_PROJECT_TAGS = """
INSERT INTO project_tags (project_id, tag_id)
SELECT pg_temp.uuid7('project', i), pg_temp.uuid7('tag', ({owner}) * {tags} + (i / 10 + 3 * k) % {tags})
FROM generate_series({first}::bigint, {last}::bigint) i, generate_series(0, 2) k
"""
_MEMBERS = """
INSERT INTO project_members (project_id, user_id, role, created_at)
SELECT pg_temp.uuid7('project', i), accounts.id, 'editor', pg_temp.moment(i)
FROM generate_series({first}::bigint, {last}::bigint) i JOIN accounts ON accounts.number = 1 + (i + 7) % ({users} - 2)
WHERE i % 5 = 0
"""
_ONE_IN_TEN_IS_THE_READERS = sql.SQL("CASE WHEN i % 10 = 0 THEN {} ELSE 1 + i % ({} - 2) END").format(READER, USERS)


class State(NamedTuple):
    """What the load has to know of a project to change it."""

    id: str
    version: int
    status: str


@contextmanager
def migrated_database() -> Iterator[str]:
    """The URL of an empty database with this version's schema, on a server of its own or on BENCH_DATABASE_URL's."""
    if given := os.environ.get("BENCH_DATABASE_URL"):
        with _new_database(given) as url:
            _migrate(url)
            yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="trellis-bench-"))
    SETTINGS["max_connections"] = "200"  # All servers are there at once, each with its pool.
    try:
        with EmbeddedPostgres(folder, durable=False) as server:
            _migrate(server.url)
            yield server.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Filler:
    """Fills the tables, in steps: the projects of every step come after those of the one before."""

    def __init__(self, url: str, reader: str, second: str) -> None:
        """Make the accounts but for those two, and everyone's tags."""
        self._connection = psycopg.connect(url, autocommit=True)
        self.projects = 0
        self._connection.execute("SET synchronous_commit = on")  # Else VACUUM could not yet call a row visible to all.
        with suppress(psycopg.errors.InsufficientPrivilege):
            self._connection.execute("SET session_replication_role = replica")  # The rows are right: no checks.
        for statement in _PREPARATION, _OTHERS:
            self._execute(statement)
        self._connection.execute("INSERT INTO accounts VALUES (%s, %s), (%s, %s)", (READER, reader, SECOND, second))
        self._execute(_TAGS)

    def add_projects(self, count: int, *, owner: int | None = None) -> None:
        """Add projects with three tags each, of one account or of all but the second; the reader owns a tenth."""
        whose = _ONE_IN_TEN_IS_THE_READERS if owner is None else sql.Literal(owner)
        for first in range(self.projects + 1, self.projects + count + 1, 100_000):
            last = min(first + 99_999, self.projects + count)
            for statement in _PROJECTS, _PROJECT_TAGS, _MEMBERS:
                self._execute(statement, owner=whose, first=sql.Literal(first), last=sql.Literal(last))
        self.projects += count
        self._connection.execute("VACUUM ANALYZE")
        self._connection.execute("CHECKPOINT")

    def project_ids(self, owner_id: str, count: int) -> list[str]:
        """Ids of an account's projects, spread over all of them."""
        rows = self._connection.execute(
            "SELECT id::text FROM projects WHERE owner_id = %s ORDER BY md5(id::text) LIMIT %s", (owner_id, count)
        )
        return [id for (id,) in rows]

    def states(self, owner_id: str, skipped: int, count: int) -> list[State]:
        """Some of an account's projects from the oldest on, as they stand now."""
        rows = self._connection.execute(
            "SELECT id::text, version, status FROM projects WHERE owner_id = %s ORDER BY created_at, id "
            "OFFSET %s LIMIT %s",
            (owner_id, skipped, count),
        )
        return [State(*row) for row in rows]

    def version(self) -> str:
        """PostgreSQL's version."""
        return str(self._connection.info.parameter_status("server_version")).split()[0]

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def _execute(self, statement: str, **parts: sql.Composable) -> None:
        constants = {
            "users": sql.Literal(USERS),
            "tags": sql.Literal(TAGS_EACH),
            "words": sql.SQL("({}::text[])").format(sql.Literal(_WORDS)),
            "common": sql.Literal(COMMON_WORD),
            "rare": sql.Literal(RARE_WORD),
        }
        self._connection.execute(sql.SQL(statement).format(**constants, **parts))


def connection_environment(url: str) -> dict[str, str]:
    """The URL in the variables that libpq's programs read, so that no password stands in a command line."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    return {names[key]: str(value) for key, value in conninfo_to_dict(url).items() if key in names}


@contextmanager
def _new_database(server_url: str) -> Iterator[str]:
    name = f"trellis_bench_{uuid4().hex[:8]}"
    address, _, query = server_url.partition("?")
    url = address.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield url
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _migrate(url: str) -> None:
    environment = os.environ | {"DATABASE_URL": url}
    subprocess.run([PROGRAMS / "trellis", "migrate"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
