"""Backup and restore: dumps, recovery to an earlier time, and `trellis restored` after both."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from alembic import command
from alembic.config import Config

from app.embedded import EmbeddedPostgres
from app.migrations import upgrade
from app.migrations.back import released
from app.operating.database import restoration
from app.operating.findings import Deployment
from shared.feed.clusters import NUMBERING
from shared.settings import Settings
from shared.upkeep import ALEMBIC_INI
from tests.database import TEMPLATE, clone, empty_database
from tests.operating.clusters import Cluster, folder_of_clusters, run
from tests.patience import eventually
from tests.servers import Server, serving, trellis

ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
MANY_TRANSACTIONS = "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
"""So that the first transactions of another cluster have lower numbers than those of this one."""
UP_TO = "DO $$ BEGIN WHILE pg_current_xact_id() < '{}' LOOP COMMIT; END LOOP; END $$"
"""So that the numbers in older cursors are not of transactions that are yet to come."""

ENTRY = "INSERT INTO journal (resource, subject_id, action) VALUES ('x', gen_random_uuid(), 'created')"


class Client:
    """Ann, who keeps her token from one server to the next."""

    def __init__(self, server: Server) -> None:
        server.post("/api/v1/users", json=ACCOUNT)
        body = {"email": ACCOUNT["email"], "password": ACCOUNT["password"]}
        self.tokens = server.post("/api/v1/auth/sessions", json=body).json()

    def get(self, server: Server, path: str) -> httpx2.Response:
        return server.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {self.tokens['access_token']}"})

    def make(self, server: Server, name: str) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        return server.post("/api/v1/projects", json={"name": name}, headers=headers).json()["id"]

    def cursor(self, server: Server) -> Any:
        return self.get(server, "/changes?after=latest").json()["next_cursor"]

    def status(self, server: Server, cursor: str) -> tuple[int, str]:
        answer = self.get(server, f"/changes?after={cursor}")
        return answer.status_code, answer.json().get("code", "")

    def told(self, server: Server, query: str = "") -> list[tuple[str, str, str]]:
        items = self.get(server, f"/changes{query}").json()["items"]
        return [(item["resource"], item["id"], item["action"]) for item in items]


EXPIRED = (410, "cursor_expired")


def value(connection: psycopg.Connection[Any], statement: str) -> Any:
    return connection.execute(statement).fetchall()[0][0]


def numbering(url: str) -> Any:
    with psycopg.connect(url) as connection:
        return value(connection, f"SELECT {NUMBERING}")


def restored(url: str) -> Any:
    done = trellis("restored", "--json", DATABASE_URL=url, TRELLIS_SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pass_over(url: str, number: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(UP_TO.format(number))


def finding(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        deployment = Deployment(Settings(DATABASE_URL=url), is_embedded=False, replicas=1, workers=1)
        (found,) = restoration(deployment, connection)
        return found.word


def copy(source: str, target: str, file: Path) -> None:
    """By a dump, as an operator makes it."""
    run("pg_dump", "--format=custom", f"--file={file}", source)
    run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={target}", str(file))


class TestADump:
    @pytest.fixture
    def other_cluster(self, tmp_path) -> Iterator[str]:
        """The URL of an empty database on it."""
        with EmbeddedPostgres(tmp_path / "other", durable=False) as server:
            yield server.url

    @pytest.fixture
    def environment(self) -> dict[str, str]:
        return {"TRELLIS_SECRET": SECRET, "TRELLIS_ENVIRONMENT": "production"}

    def test_of_the_release_before_takes_the_place_of_what_this_one_has_made(self, tmp_path, other_cluster):
        """As in a major upgrade of the embedded server: docs/BACKUP.md."""
        with empty_database(os.environ[TEMPLATE]) as source:
            for head in sorted(released().heads):
                command.upgrade(Config(ALEMBIC_INI, attributes={"database_url": source}), head)
            with psycopg.connect(source, autocommit=True) as connection:
                connection.execute(MANY_TRANSACTIONS)
                connection.execute(ENTRY)
            run("pg_dump", "--format=custom", f"--file={tmp_path / 'dump'}", source)
        upgrade(other_cluster)
        run("psql", other_cluster, "--command=DROP SCHEMA public CASCADE", "--command=CREATE SCHEMA public")
        run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={other_cluster}", str(tmp_path / "dump"))
        refused = trellis("restored", DATABASE_URL=other_cluster, TRELLIS_SECRET=SECRET)
        assert (refused.returncode, "First: trellis migrate" in refused.stderr) == (1, True)
        assert upgrade(other_cluster) == "The database is up to date."
        assert restored(other_cluster)["renumbered"] == 1
        assert finding(other_cluster) == "ok"

    def test_is_served_from_in_another_cluster(self, tmp_path, other_cluster, environment):
        """Sessions, documents, histories and the feed; and clients who followed the feed are told to list anew."""
        with clone() as source, psycopg.connect(source, autocommit=True) as connection:
            connection.execute(MANY_TRANSACTIONS)
            with serving(tmp_path, DATABASE_URL=source, **environment) as server:
                ann = Client(server)
                first = ann.cursor(server)
                id = ann.make(server, "Relaunch")
                last = ann.cursor(server)
                paths = ("/users/me", f"/projects/{id}", f"/projects/{id}/history", "/projects")
                before = [ann.get(server, path).content for path in paths]
                story = ann.told(server)
                assert ann.status(server, first) == (200, "")
            number = value(connection, "SELECT pg_current_xact_id()")
            copy(source, other_cluster, tmp_path / "backup")
        assert finding(other_cluster) == "error"
        with serving(tmp_path, DATABASE_URL=other_cluster, **environment) as server:
            assert [ann.status(server, cursor) for cursor in (first, last, "")] == [EXPIRED] * 2 + [
                (400, "invalid_cursor")
            ]
            assert ann.get(server, "/changes").status_code == 410
            between = ann.cursor(server)
        told = restored(other_cluster)
        assert told["renumbered"] > 0
        assert finding(other_cluster) == "ok"
        pass_over(other_cluster, number)
        with serving(tmp_path, DATABASE_URL=other_cluster, **environment) as server:
            assert [ann.get(server, path).content for path in paths] == before
            assert [ann.status(server, cursor) for cursor in (first, last, between)] == [EXPIRED] * 3
            assert ann.told(server) == story
            cursor = ann.cursor(server)
            made = ann.make(server, "After the restore")
            assert ann.told(server, f"?after={cursor}") == [("projects", made, "created")]
            grant = {"grant_type": "refresh_token", "refresh_token": ann.tokens["refresh_token"]}
            assert server.post("/api/v1/auth/token", data=grant).status_code == 200

    def test_made_ready_twice_is_as_after_once(self, tmp_path, other_cluster):
        """But that clients list anew once more."""
        with clone() as source, psycopg.connect(source, autocommit=True) as connection:
            connection.execute(MANY_TRANSACTIONS)
            connection.execute(
                "INSERT INTO journal (resource, subject_id, action) VALUES ('x', gen_random_uuid(), 'created')"
            )
            copy(source, other_cluster, tmp_path / "backup")
        assert restored(other_cluster) == {"renumbered": 1, "jobs": 0}
        assert restored(other_cluster) == {"renumbered": None, "jobs": 0}
        with psycopg.connect(other_cluster) as connection:
            told = connection.execute("SELECT count(DISTINCT after ->> 'restoration') FROM journal").fetchone()
        assert told == (2,)


class TestTheNumbering:
    def test_is_another_once_the_table_was_made_anew(self):
        """As a dump does that is restored beside the original, or over it. In one cluster numbers go on: only the table
        shows that what came after the dump is lost.
        """
        with clone() as url, psycopg.connect(url, autocommit=True) as connection:
            before = numbering(url)
            assert numbering(url) == before
            connection.execute("ALTER TABLE journal RENAME TO former")
            connection.execute("CREATE TABLE journal (LIKE former INCLUDING ALL)")
            assert numbering(url) != before


class TestTheCommand:
    def test_gives_way_to_those_who_use_the_journal(self):
        with clone() as url, psycopg.connect(url) as user:
            user.execute(ENTRY)
            user.execute("UPDATE journal SET xid = '9000000000'")
            user.commit()
            user.execute("SELECT FROM journal LIMIT 1")
            done = trellis("restored", DATABASE_URL=url, TRELLIS_SECRET=SECRET)
        assert done.returncode in {1, 3}
        assert done.stderr.splitlines()[-1].endswith("Stop what serves from this database first. Nothing was changed.")

    def test_wants_a_schema(self):
        with clone() as url, empty_database(url) as empty:
            done = trellis("restored", DATABASE_URL=empty, TRELLIS_SECRET=SECRET)
        assert done.returncode == 1
        assert "First: trellis migrate" in done.stderr

    def test_is_told_by_the_journal(self):
        """Administrators see when it was."""
        with clone() as url:
            restored(url)
            with psycopg.connect(url) as connection:
                row = connection.execute("SELECT resource, action FROM journal").fetchall()
        assert row == [("journal", "restored")]


class TestRecoveryToAnEarlierTime:
    def test_takes_back_what_came_later_and_no_cursor_is_silently_wrong(self, tmp_path):
        """With a base backup and archived logs, as docs/BACKUP.md has it."""
        with folder_of_clusters() as folder:
            with origin(folder) as url, serving(tmp_path, DATABASE_URL=url) as server:
                ann = Client(server)
                kept, early = ann.make(server, "Kept"), ann.cursor(server)
                with psycopg.connect(url, autocommit=True) as connection:
                    until = value(connection, "SELECT clock_timestamp()")
                    lost, late = ann.make(server, "Lost"), ann.cursor(server)
                    number = value(connection, "SELECT pg_current_xact_id()")
                    log = value(connection, "SELECT pg_walfile_name(pg_switch_wal())")
                eventually((folder / "archive" / log).exists)
            with recovered(folder, until.isoformat()) as url, serving(tmp_path, DATABASE_URL=url) as server:
                pass_over(url, number)
                statuses = [ann.get(server, f"/projects/{id}").status_code for id in (kept, lost)]
                assert statuses == [200, 404]
                assert [ann.status(server, cursor) for cursor in (early, late)] == [EXPIRED] * 2
                between = ann.cursor(server)
                assert ann.status(server, between) == (200, "")
                restored(url)
                assert ann.status(server, between) == EXPIRED
                cursor, made = ann.cursor(server), ann.make(server, "Again")
                assert ann.told(server, f"?after={cursor}") == [("projects", made, "created")]


@contextmanager
def origin(folder: Path) -> Iterator[str]:
    """A cluster that archives its log, with a base backup of it."""
    cluster, archive = Cluster(folder / "origin"), folder / "archive"
    archive.mkdir()
    archive.chmod(0o777)
    cluster.make()
    cluster.start(archive_mode="on", archive_command=f"cp %p {archive}/part && mv {archive}/part {archive}/%f")
    try:
        upgrade(cluster.url)
        run("pg_basebackup", f"--dbname={cluster.url}", f"--pgdata={folder}/base", "--checkpoint=fast", "--no-sync")
        yield cluster.url
    finally:
        cluster.stop()


@contextmanager
def recovered(folder: Path, until: str) -> Iterator[str]:
    """The base backup, brought to a time with the archived log."""
    (folder / "base" / "recovery.signal").touch()
    for path in [folder / "base", *(folder / "base").rglob("*")]:
        os.chown(path, folder.stat().st_uid, folder.stat().st_gid)
    (folder / "base").chmod(0o700)
    cluster = Cluster(folder / "base")
    cluster.start(
        restore_command=f"cp {folder}/archive/%f %p",
        recovery_target_time=until,
        recovery_target_action="promote",
        archive_mode="off",
    )
    try:
        yield cluster.url
    finally:
        cluster.stop()
