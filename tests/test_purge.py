"""`trellis purge`: what goes for good, what stays, and that it meets others' changes without harm."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from modules.projects.models import Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from modules.users.models import RefreshToken, UserSession
from modules.users.tests.factories import UserFactory
from shared.manifest import discover
from shared.rows.models import EXPIRIES, Model
from shared.upkeep import purge as purging
from shared.upkeep.purge import Purge
from shared.wire.database import Database
from tests.callers import Caller
from tests.database import clone
from tests.patience import PATIENCE
from tests.servers import ROOT, trellis

discover()  # Whatever else is tested, the tables are those of all modules.
TABLES = {name for name, table in Model.metadata.tables.items() if "deleted_at" in table.c or table in EXPIRIES}
NOTHING = dict.fromkeys(TABLES, 0)
DAY = timedelta(days=1)
OWNED: dict[str, Any] = {"projects": ProjectFactory, "tags": TagFactory}


@pytest.fixture
def purge(database, settings) -> Purge:
    return Purge(database, settings)


@pytest.fixture
def small_batches(database, settings, monkeypatch) -> Purge:
    """Of two rows."""
    monkeypatch.setattr(purging, "BATCH", 2)
    return Purge(database, settings)


@pytest.fixture
def sql(database):
    """Does what an operator could: a statement past the application, and the rows that it gives."""

    async def run(statement: str, **values: object) -> list[tuple[Any, ...]]:
        async with database.orm() as session:
            found = await session.execute(text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    return run


@pytest.fixture
def age(sql):
    """Has a row been deleted so many days ago."""

    async def age(table: str, id: UUID, days: int) -> None:
        change = (
            f"UPDATE {table} SET deleted_at = now() - :days * interval '1 day', deletion_id = :group WHERE id = :id"
        )
        await sql(change, days=days, group=uuid7(), id=id)

    return age


@pytest.fixture
def left(sql):
    """The ids that are left of a table."""

    async def left(table: str) -> set[UUID]:
        return {id for (id,) in await sql(f"SELECT id FROM {table}")}

    return left


async def gone(purge: Purge) -> dict[str, int]:
    """What a purge removed, after a dry run that foretold it."""
    foretold = await purge.due()
    counts = await purge.run()
    assert counts == foretold
    return {table: count for table, count in counts.items() if count}


class TestDeletedRows:
    async def test_go_once_they_are_older_than_the_retention(self, purge, age, left):
        ann = await UserFactory.saved()
        for table, factory in OWNED.items():
            rows = [await factory.saved(owner_id=ann.id) for _ in range(3)]
            await age(table, rows[0].id, days=31)
            await age(table, rows[1].id, days=29)
            assert await gone(purge) == {table: 1}
            assert await left(table) == {rows[1].id, rows[2].id}

    async def test_are_told_of_each_table_even_when_nothing_goes(self, purge):
        assert await purge.run() == NOTHING
        assert await purge.due() == NOTHING

    async def test_stay_after_a_dry_run(self, purge, age, left):
        user = await UserFactory.saved()
        await age("users", user.id, days=31)
        assert await purge.due() == NOTHING | {"users": 1}
        assert await left("users") == {user.id}

    async def test_cannot_be_restored_any_more(self, purge, age, signed_in):
        ann = await signed_in()
        project = await ProjectFactory.saved(owner_id=ann.id)
        await age("projects", project.id, days=31)
        await purge.run()
        refused = await ann.post(f"/projects/{project.id}/restore")
        assert (refused.status_code, refused.json()["code"]) == (404, "project_not_found")

    async def test_are_noted_in_the_journal(self, purge, age, sql):
        ann = await UserFactory.saved()
        tag = await TagFactory.saved(owner_id=ann.id)
        await age("tags", tag.id, days=31)
        await purge.run()
        entries = await sql(
            "SELECT resource, actor_id FROM journal WHERE action = 'purged' AND subject_id = :id", id=tag.id
        )
        assert entries == [("tags", None)]

    async def test_go_in_batches(self, small_batches, age, left):
        ann = await UserFactory.saved()
        rows = [await TagFactory.saved(owner_id=ann.id) for _ in range(7)]
        for n, tag in enumerate(rows[:5]):
            await age("tags", tag.id, days=31 + n % 2)
        assert await gone(small_batches) == {"tags": 5}
        assert await left("tags") == {tag.id for tag in rows[5:]}


class TestPartsOfThem:
    async def test_go_along(self, purge, age, sql):
        ann, bob = await UserFactory.saved(), await UserFactory.saved()
        project = await ProjectFactory.saved(owner_id=ann.id)
        tag = await TagFactory.saved(owner_id=ann.id)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        await age("projects", project.id, days=31)
        assert await gone(purge) == {"projects": 1}
        assert await sql("SELECT FROM project_tags UNION ALL SELECT FROM project_members") == []

    async def test_go_along_with_a_tag_from_live_projects(self, purge, age, sql, signed_in):
        ann = await signed_in()
        project = await ProjectFactory.saved(owner_id=ann.id)
        kept, old = await TagFactory.saved(owner_id=ann.id), await TagFactory.saved(owner_id=ann.id)
        for tag in (kept, old):
            await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        await age("tags", old.id, days=31)
        before = (await ann.get(f"/projects/{project.id}")).content
        assert await gone(purge) == {"tags": 1}
        assert (await ann.get(f"/projects/{project.id}")).content == before
        assert await sql("SELECT tag_id FROM project_tags") == [(kept.id,)]

    async def test_go_along_with_an_account(self, purge, age, sql, database):
        ann, bob = await UserFactory.saved(), await UserFactory.saved()
        now = datetime.now(UTC)
        session = UserSession(user_id=ann.id, created_at=now, expires_at=now + DAY, revoked_at=now)
        async with database.orm() as orm:
            orm.add(session)
            await orm.flush()
            orm.add(RefreshToken(digest=b"x", session_id=session.id))
        project = await ProjectFactory.saved(owner_id=bob.id)
        await MemberFactory.saved(project_id=project.id, user_id=ann.id, role=Role.EDITOR)
        await age("users", ann.id, days=31)
        assert await gone(purge) == {"users": 1}
        parts = "SELECT FROM sessions UNION ALL SELECT FROM refresh_tokens UNION ALL SELECT FROM project_members"
        assert await sql(parts) == []


class TestAnAccount:
    async def test_goes_with_all_that_was_deleted_with_it(self, purge, signed_in, sql):
        ann, bob = await signed_in(), await signed_in()
        project = await ProjectFactory.saved(owner_id=ann.id)
        others = await ProjectFactory.saved(owner_id=bob.id)
        await TagFactory.saved(owner_id=ann.id)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        await MemberFactory.saved(project_id=others.id, user_id=ann.id, role=Role.VIEWER)
        assert (await ann.delete("/users/me")).status_code == 204
        for table in ("users", "projects", "tags", "project_members"):
            await sql(f"UPDATE {table} SET deleted_at = deleted_at - interval '31 days' WHERE deleted_at IS NOT NULL")
        assert await gone(purge) == {"project_members": 1, "projects": 1, "tags": 1, "users": 1}
        assert await sql("SELECT id FROM users") == [(bob.id,)]
        assert await sql("SELECT id FROM projects") == [(others.id,)]

    @pytest.mark.parametrize("days", [29, None], ids=["deleted later", "live"])
    @pytest.mark.parametrize("table", OWNED)
    async def test_stays_as_long_as_something_of_it_does(self, purge, age, left, table, days):
        """And holds nothing else up."""
        ann, bob = await UserFactory.saved(), await UserFactory.saved()
        row, old = await OWNED[table].saved(owner_id=ann.id), await OWNED[table].saved(owner_id=ann.id)
        for user in (ann, bob):
            await age("users", user.id, days=40)
        await age(table, old.id, days=31)
        if days:
            await age(table, row.id, days=days)
        assert await gone(purge) == {table: 1, "users": 1}
        assert await left("users") == {ann.id}
        assert await left(table) == {row.id}
        await age(table, row.id, days=31)
        assert await gone(purge) == {table: 1, "users": 1}

    async def test_goes_when_its_project_was_passed_on(self, purge, age, left, signed_in):
        ann, bob = await signed_in(), await signed_in()
        project = await ProjectFactory.saved(owner_id=ann.id)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.OWNER)
        assert (await ann.delete(f"/projects/{project.id}/members/{ann.id}")).status_code == 204
        await age("users", ann.id, days=31)
        assert await gone(purge) == {"users": 1}
        assert await left("projects") == {project.id}
        assert (await bob.get(f"/projects/{project.id}")).status_code == 200

    async def test_goes_from_the_journal_in_name_only(self, purge, age, sql, signed_in):
        ann = await signed_in()
        project = (await ann.post("/projects", json={"name": "x"})).json()["id"]
        for table, id in (("projects", project), ("users", ann.id)):
            await age(table, id, days=31)
        assert await gone(purge) == {"projects": 1, "users": 1}
        created = "SELECT actor_id FROM journal WHERE subject_id = :id AND action = 'created'"
        assert await sql(created, id=project) == [(ann.id,)]


class TestKeptAnswers:
    async def test_go_after_a_day(self, purge, sql, signed_in):
        ann: Caller = await signed_in()
        for key in ("old", "new"):
            await ann.post("/projects", json={"name": key}, headers={"Idempotency-Key": key})
        await sql("UPDATE idempotency_keys SET at = at - interval '25 hours' WHERE key = 'old'")
        assert await gone(purge) == {"idempotency_keys": 1}
        assert await sql("SELECT key FROM idempotency_keys") == [("new",)]


class TestSessions:
    async def session(self, database, **columns):
        """One that began a hundred days ago, unless said otherwise, with a token that was used and one that was not."""
        user, now = await UserFactory.saved(), datetime.now(UTC)
        row = {"created_at": now - 100 * DAY, "expires_at": now + DAY} | columns
        session = UserSession(user_id=user.id, **row)
        async with database.orm() as orm:
            orm.add(session)
            await orm.flush()
            for digest, used_at in ((b"old", now - 31 * DAY), (b"new", now - 29 * DAY), (b"live", None)):
                orm.add(RefreshToken(digest=session.id.bytes + digest, session_id=session.id, used_at=used_at))
        return session

    @pytest.mark.parametrize("column", ["expires_at", "revoked_at"])
    async def test_go_with_their_tokens_when_they_are_over(self, purge, database, left, sql, column):
        over = await self.session(database, **{column: datetime.now(UTC) - timedelta(minutes=1)})
        alive = await self.session(database)
        assert await gone(purge) == {"refresh_tokens": 2, "sessions": 1}
        assert await left("sessions") == {alive.id}
        assert await sql("SELECT count(*) FROM refresh_tokens WHERE session_id = :id", id=over.id) == [(0,)]

    async def test_keep_their_used_tokens_for_as_long_as_one_may_come_back(self, purge, database, sql):
        """Until then somebody's coming with one tells of a theft."""
        session = await self.session(database)
        assert await gone(purge) == {"refresh_tokens": 1}
        digests = {digest for (digest,) in await sql("SELECT digest FROM refresh_tokens")}
        assert digests == {session.id.bytes + b"new", session.id.bytes + b"live"}


class TestCountsOfWrongPasswords:
    async def test_go_after_a_day_and_known_places_after_a_season(self, purge, sql):
        for table, days, columns in (
            ("sign_in_failures", (0, 2), "key, at, failures"),
            ("known_places", (0, 89, 91), "key, at"),
        ):
            more = ", 1" if "failures" in columns else ""
            for n in days:
                statement = f"INSERT INTO {table} ({columns}) VALUES (:key, now() - :age{more})"
                await sql(statement, key=b"%d" % n, age=n * DAY)
        assert await gone(purge) == {"sign_in_failures": 1, "known_places": 1}


class TestTheJournal:
    async def test_ends_at_its_retention(self, small_batches, sql):
        user = await UserFactory.saved()
        for n in range(7):
            await sql("UPDATE users SET full_name = :name WHERE id = :id", name=f"Ann {n}", id=user.id)
        entries = [id for (id,) in await sql("SELECT id FROM journal ORDER BY id")]
        await sql("UPDATE journal SET at = at - interval '91 days 1 minute' WHERE id <= :last", last=entries[4])
        await sql("UPDATE journal SET at = at - interval '90 days 23 hours' WHERE id = :id", id=entries[5])
        assert await gone(small_batches) == {"journal": 5}
        assert [id for (id,) in await sql("SELECT id FROM journal ORDER BY id")] == entries[5:]


MANY = """
INSERT INTO users (id, email, full_name, password_hash, role, is_active, email_verified)
VALUES ('00000000-0000-7000-8000-000000000000', 'ann@example.com', 'Ann', '', 'user', true, false);
INSERT INTO tags (id, owner_id, name, slug, color, deleted_at)
SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000000', 'x', 'tag-' || n, '#000000',
    now() - interval '31 days' FROM generate_series(1, 1200) AS n;
"""


class TestMeetingOthers:
    """On a database that commits."""

    @pytest.fixture
    def url(self):
        with clone("purge") as url:
            with psycopg.connect(url) as connection:
                connection.execute(MANY)
            yield url

    @pytest.fixture
    async def real(self, settings, url):
        database = Database(settings.model_copy(update={"database_url": url}))
        yield database
        await database.close()

    async def test_a_row_that_is_restored_meanwhile_survives(self, real, settings, url):
        purge = Purge(real, settings)
        with psycopg.connect(url) as restore:
            ((id,),) = restore.execute("SELECT id FROM tags LIMIT 1 FOR UPDATE").fetchall()
            told: list[int] = []
            assert (await purge.run(told.append))["tags"] == 1199, "It waits for nobody."
            assert told == [500, 500, 199], "It tells of each batch."
            restore.execute("UPDATE tags SET deleted_at = NULL WHERE id = %s", [id])
        assert await purge.run() == NOTHING
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT id FROM tags").fetchall() == [(id,)]

    async def test_a_row_that_somebody_comes_to_refer_to_stays(self, real, settings, url):
        """A foreign key takes its lock after the purge has looked: the next look sees it."""
        with psycopg.connect(url) as connection:
            connection.execute("DELETE FROM tags")
            connection.execute("UPDATE users SET deleted_at = now() - interval '31 days'")
        with psycopg.connect(url) as other:
            other.execute(
                "INSERT INTO tags (id, owner_id, name, slug, color) "
                "SELECT gen_random_uuid(), id, 'x', 'x', '#000000' FROM users"
            )
            assert (await Purge(real, settings).run())["users"] == 0
        assert (await Purge(real, settings).run())["users"] == 0

    async def test_a_row_is_tried_again_that_could_not_go_a_moment_ago(self, real, settings, url):
        """As if another had come to refer to it between the look and the deletion, and had gone again."""
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE tags SET deleted_at = now() - interval '31 days'")
            connection.execute("CREATE SEQUENCE attempts")
            connection.execute("""
                CREATE FUNCTION refuse_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF nextval('attempts') = 1 THEN RAISE foreign_key_violation; END IF;
                    RETURN OLD;
                END $$""")
            connection.execute("CREATE TRIGGER once BEFORE DELETE ON tags EXECUTE FUNCTION refuse_once()")
        assert (await Purge(real, settings).run())["tags"] == 1200

    async def test_what_a_table_of_nobodys_refers_to_stays_and_does_not_stop_the_other_tables(
        self, real, settings, url, caplog
    ):
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE users SET deleted_at = now() - interval '31 days'")
            connection.execute("CREATE TABLE visits (user_id uuid REFERENCES users)")
            connection.execute("INSERT INTO visits SELECT id FROM users")
            connection.execute("UPDATE journal SET at = at - interval '92 days'")
        counts = await Purge(real, settings).run()
        assert (counts["tags"], counts["users"]) == (1200, 0)
        assert counts["journal"] > 0
        assert "Some deleted users stay for now" in caplog.text

    def test_live_rows_are_not_read(self, settings, url):
        (tags,) = [task for task in Purge(Database(settings), settings)._tasks if task.table.name == "tags"]
        with psycopg.connect(url, cursor_factory=psycopg.RawCursor) as connection:
            connection.execute("UPDATE tags SET deleted_at = NULL WHERE slug <> 'tag-1'")
            connection.execute("ANALYZE tags")
            plan = connection.execute(
                b"EXPLAIN " + tags.batch.text, tags.batch.arguments({"since": datetime.min.replace(tzinfo=UTC)})
            )
            lines = [line for (line,) in plan]
        assert any("Index Scan using ix_tags_deleted_at" in line for line in lines), lines
        assert not any("Seq Scan on tags" in line for line in lines), lines

    async def test_several_at_once_share_the_work(self, real, settings):
        purge = Purge(real, settings)
        counts = await asyncio.gather(*(purge.run() for _ in range(4)))
        assert sum(count["tags"] for count in counts) == 1200

    async def test_the_command_tells_how_many_went(self, url):
        environment = {"DATABASE_URL": url, "TRELLIS_ENVIRONMENT": "development"}
        would = trellis("purge", "--dry-run", **environment)
        assert (would.returncode, would.stderr) == (0, "")
        assert "tags: 1,200 rows would go\n" in would.stdout
        done = trellis("purge", **environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert "tags: 1,200 rows\n" in done.stdout
        assert "tags: 0 rows\n" in trellis("purge", **environment).stdout

    def test_the_command_tells_programs_in_json(self, url):
        environment = {"DATABASE_URL": url, "TRELLIS_ENVIRONMENT": "development"}
        would = json.loads(trellis("purge", "--dry-run", "--json", **environment).stdout)
        assert (would["due"]["tags"], would["removed"]) == (1200, {})
        done = json.loads(trellis("purge", "--json", **environment).stdout)
        assert (done["due"], done["removed"]["tags"]) == ({}, 1200)

    def test_the_command_shows_its_progress_at_a_terminal(self, url):
        ours, theirs = pty.openpty()
        environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "TERM": "dumb", "DATABASE_URL": url}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "app.cli", "purge", "--json"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=theirs,
                timeout=PATIENCE,
                check=True,
            )
            shown = ""
            while "100%" not in shown:  # It comes in pieces.
                shown += os.read(ours, 100_000).decode()
        finally:
            os.close(ours)
            os.close(theirs)
        assert re.search(r"Removing +\[#+\] +100%", shown)
        assert json.loads(done.stdout)["removed"]["tags"] == 1200

    def test_the_command_says_when_there_is_no_schema(self, url):
        with psycopg.connect(url) as connection:
            connection.execute("DROP TABLE project_members")
        refused = trellis("purge", DATABASE_URL=url)
        assert refused.returncode == 1
        assert refused.stderr.endswith("First: trellis migrate\n")
