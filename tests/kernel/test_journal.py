"""The journal: each change of a row, who made it, and what it changed, written by PostgreSQL itself."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from modules.projects.models import Project, ProjectMember, ProjectTag, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import User
from modules.users.tests.factories import PASSWORD, UserFactory
from shared.rows.journal import JournalEntry, Origin
from shared.rows.models import Model
from tests.contract.writing import execute
from tests.database import clone

SECRET_COLUMNS = {"password_hash", "search"}


@pytest.fixture
async def ann(signed_in):
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in):
    return await signed_in(full_name="Bob")


@pytest.fixture
def entries(database):
    """What was written since it was last asked."""
    seen = 0

    async def read() -> list[JournalEntry]:
        nonlocal seen
        async with database.orm() as session:
            found = list(await session.scalars(select(JournalEntry).order_by(col(JournalEntry.id))))
        new = [entry for entry in found if entry.id > seen]
        seen = max((entry.id for entry in found), default=seen)
        return new

    return read


@pytest.fixture
async def entry(entries):
    """The one that was written since."""

    async def read():
        (one,) = await entries()
        return one

    return read


def about(entry: JournalEntry) -> tuple[str, str | None, UUID, str]:
    return entry.resource, entry.part, entry.subject_id, entry.action


def by(entry: JournalEntry) -> tuple[UUID | None, UUID | None, str | None]:
    return entry.actor_id, entry.session_id, entry.request_id


class TestARequest:
    @pytest.fixture
    async def project(self, ann, entries):
        project = await ProjectFactory.saved(owner_id=ann.id, name="before")
        await entries()
        return project

    async def test_is_named_with_its_actor_and_session(self, ann, entry, entries):
        await entries()
        made = await ann.post("/projects", json={"name": "new"}, headers={"X-Request-ID": "one"})
        written = await entry()
        assert about(written) == ("projects", None, UUID(made.json()["id"]), "created")
        assert by(written) == (ann.id, ann.session_id, "one")
        assert written.before is None
        assert written.after["name"] == "new"
        assert written.after.keys() == Project.model_fields.keys() - {"updated_at"}

    async def test_that_changes_a_row_tells_what_it_was_and_is(self, ann, entry, project):
        body = {"name": "after", "description": None, "status": "active"}
        await ann.patch(f"/projects/{project.id}", json=body, headers={"X-Request-ID": "two"})
        written = await entry()
        assert about(written) == ("projects", None, project.id, "changed")
        assert by(written) == (ann.id, ann.session_id, "two")
        assert written.before == {"name": "before", "description": project.description, "version": 1}
        assert written.after == {"name": "after", "description": None, "version": 2}

    async def test_that_changes_nothing_writes_nothing(self, ann, entries, project):
        assert (await ann.patch(f"/projects/{project.id}", json={"name": "before"})).status_code == 200
        assert await entries() == []

    async def test_that_is_refused_writes_nothing(self, ann, bob, entries, project):
        await entries()
        assert (await bob.patch(f"/projects/{project.id}", json={"name": "after"})).status_code == 404
        assert (await ann.patch(f"/projects/{project.id}", json={"due_on": "x"})).status_code == 422
        taken = {"external_id": "1", "name": "x"}
        assert (await ann.post("/projects", json=taken)).status_code == 201
        assert len(await entries()) == 1
        assert (await ann.post("/projects", json=taken)).status_code == 409
        assert await entries() == []

    async def test_that_is_a_dry_run_writes_nothing(self, ann, entries, project):
        assert (await ann.delete(f"/projects/{project.id}?dry_run=true")).status_code == 204
        assert await entries() == []

    async def test_that_is_a_replay_writes_nothing(self, ann, entries, project):
        for _ in range(2):
            await ann.patch(f"/projects/{project.id}", json={"name": "after"}, headers={"Idempotency-Key": "k"})
        assert len(await entries()) == 1

    async def test_deletes_and_restores(self, ann, entry, project):
        await ann.delete(f"/projects/{project.id}")
        deleted = await entry()
        assert about(deleted) == ("projects", None, project.id, "deleted")
        assert deleted.before == {"deleted_at": None, "deletion_id": None, "version": 1}
        assert deleted.after.keys() == deleted.before.keys()
        assert deleted.after["deleted_at"]
        await ann.post(f"/projects/{project.id}/restore")
        restored = await entry()
        assert about(restored) == ("projects", None, project.id, "restored")
        assert restored.before == deleted.after
        assert restored.after == {"deleted_at": None, "deletion_id": None, "version": 3}

    async def test_tells_of_members_as_parts_of_the_project(self, ann, bob, entries, project):
        invitation = {"user_id": str(bob.id), "role": "viewer"}
        invited = (await ann.post(f"/projects/{project.id}/invitations", json=invitation)).json()["id"]
        await entries()
        path = f"/projects/{project.id}/members/{bob.id}"
        steps = (
            (lambda: bob.post(f"/invitations/{invited}/accept"), "created", None, "viewer"),
            (lambda: ann.put(path, json={"role": "editor"}), "changed", "viewer", "editor"),
            (lambda: ann.delete(path), "deleted", "editor", None),
        )
        for request, action, before, after in steps:
            assert (await request()).status_code == 204
            parts = {entry.part: entry for entry in await entries() if entry.resource == "projects"}
            assert parts.keys() == {None, "project_members"}
            assert about(parts[None]) == ("projects", None, project.id, "changed")  # Its version alone.
            assert parts[None].after.keys() == {"version"}
            part = parts["project_members"]
            assert about(part) == ("projects", "project_members", project.id, action)
            who = bob if action == "created" else ann
            assert by(part)[:2] == (who.id, who.session_id)
            assert (part.before and part.before["role"], part.after and part.after["role"]) == (before, after)
            assert (part.before or part.after)["user_id"] == str(bob.id)

    async def test_tells_of_tags_as_parts_of_the_project(self, ann, entries, project):
        tag = await TagFactory.saved(owner_id=ann.id)
        await entries()
        row = {"project_id": str(project.id), "tag_id": str(tag.id)}
        path = f"/projects/{project.id}/tags/{tag.id}"
        for request, action, before, after in ((ann.put, "created", None, row), (ann.delete, "deleted", row, None)):
            assert (await request(path)).status_code == 204
            (part,) = [entry for entry in await entries() if entry.part]
            assert about(part) == ("projects", "project_tags", project.id, action)
            assert (part.before, part.after) == (before, after)

    async def test_without_an_account_has_no_actor(self, client, entry, entries):
        await entries()
        body = {"email": "new@example.com", "password": PASSWORD, "full_name": "New"}
        made = await client.post("/users", json=body, headers={"X-Request-ID": "three"})
        written = await entry()
        assert about(written) == ("users", None, UUID(made.json()["id"]), "created")
        assert by(written) == (None, None, "three")

    async def test_that_takes_an_account_along_tells_of_all_that_goes(self, ann, bob, entries, project):
        tag = await TagFactory.saved(owner_id=ann.id)
        theirs = await ProjectFactory.saved(owner_id=bob.id)
        await MemberFactory.saved(project_id=theirs.id, user_id=ann.id, role=Role.EDITOR)
        await entries()
        assert (await ann.delete("/users/me")).status_code == 204
        gone = await entries()
        assert {about(entry) for entry in gone} == {
            ("users", None, ann.id, "deleted"),
            ("projects", None, project.id, "deleted"),
            ("tags", None, tag.id, "deleted"),
            ("projects", "project_members", theirs.id, "deleted"),
        }
        assert {by(entry)[:2] for entry in gone} == {(ann.id, ann.session_id)}
        assert len({entry.after["deletion_id"] for entry in gone}) == 1


class TestTheOrigin:
    async def test_is_that_of_its_own_transaction(self, ann, bob, entries):
        """A connection serves one request after the other."""
        await entries()
        for n, caller in enumerate((ann, bob, ann)):
            await caller.post("/tags", json={"name": f"Own {n}"})
        await TagFactory.saved(owner_id=ann.id)
        assert [entry.actor_id for entry in await entries()] == [ann.id, bob.id, ann.id, None]

    @pytest.mark.parametrize("known", [(True, True, True), (False, False, True), (True, False, False)])
    async def test_is_told_as_far_as_it_is_known(self, database, entry, entries, known):
        await entries()
        parts = (uuid7(), uuid7(), "a:b/c")
        given: Any = [value if is_known else None for value, is_known in zip(parts, known, strict=True)]
        async with database.unit_of_work(variables=Origin(*given).variables()) as unit, unit.orm() as session:
            session.add(UserFactory.build())
        assert by(await entry()) == tuple(given)


PLACES: dict[str, Any] = {
    "users": (User, "full_name"),
    "tags": (Tag, "name"),
    "projects": (Project, "name"),
    "project_members": (ProjectMember, "role"),
    "project_tags": (ProjectTag, None),
}
"""The tables that are told of, and a column of each that changes."""


@pytest.fixture
async def rows(database, entries):
    """A row of each table, and how it is told of."""
    user, other = await UserFactory.saved(full_name="owner"), await UserFactory.saved()
    tag = await TagFactory.saved(owner_id=user.id, name="owner")
    project = await ProjectFactory.saved(owner_id=user.id, name="owner")
    member = await MemberFactory.saved(project_id=project.id, user_id=other.id, role=Role.OWNER)
    link = await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    made = await entries()
    found = {"users": user, "tags": tag, "projects": project, "project_members": member, "project_tags": link}
    return found, {entry.part or entry.resource: entry for entry in made if entry.subject_id != other.id}


def subject(table, row):
    return row.project_id if table.startswith("project_") else row.id


def whole(table):
    """The columns that are told of a new row, or of one that is gone."""
    return {column.name for column in Model.metadata.tables[table].columns} - {"updated_at", *SECRET_COLUMNS}


def key(table, row):
    columns = Model.metadata.tables[table].primary_key.columns
    return " AND ".join(f"{column.name} = '{getattr(row, column.name)}'" for column in columns)


class TestEveryTable:
    def test_that_is_a_resource_or_a_part_of_one_is_told_of(self):
        told = {
            name
            for name, table in Model.metadata.tables.items()
            if "version" in table.columns or "recorded_with" in table.info
        }
        assert told >= PLACES.keys()

    async def test_has_its_triggers(self, database):
        """Whoever adds a table gets them from the migration that `trellis revision` writes."""
        found = await database.sql(
            text("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname LIKE 'journal_%'")
        )
        told = {
            (name, trigger)
            for name, table in Model.metadata.tables.items()
            if "version" in table.columns or "recorded_with" in table.info
            for trigger in ("journal_inserted", "journal_changed")
        }
        assert {tuple(row) for row in found} == told

    @pytest.mark.parametrize("table", PLACES)
    async def test_tells_of_a_new_row_by_the_orm(self, rows, table):
        found, made = rows
        entry, row = made[table], found[table]
        part = table if table.startswith("project_") else None
        assert about(entry) == ("projects" if part else table, part, subject(table, row), "created")
        assert entry.before is None
        assert entry.after.keys() == whole(table)

    @pytest.mark.parametrize("table", [name for name, (_, column) in PLACES.items() if column])
    @pytest.mark.parametrize("how", ["orm", "sql"])
    async def test_tells_of_a_change(self, database, rows, entry, table, how):
        found, made = rows
        row, (model, column) = found[table], PLACES[table]
        value = "viewer" if table == "project_members" else "changed"
        if how == "orm":
            async with database.orm() as session:
                setattr(await session.merge(row), column, value)
        else:
            await execute(database, f"UPDATE {table} SET {column} = '{value}' WHERE {key(table, row)}")
        written = await entry()
        assert about(written)[2:] == (subject(table, row), "changed")
        if "version" in model.model_fields:
            assert written.before == {column: "owner", "version": 1}
            assert written.after == {column: value, "version": 2}
        else:  # Whose role it is, the subject does not tell.
            assert written.before == made[table].after
            assert written.after == written.before | {column: value}

    @pytest.mark.parametrize(
        "table", [name for name, (model, _) in PLACES.items() if "deleted_at" in model.model_fields]
    )
    async def test_tells_of_a_deletion_and_a_return_by_sql(self, database, rows, entry, table):
        row = rows[0][table]
        for value, action in (("now()", "deleted"), ("NULL", "restored")):
            await execute(database, f"UPDATE {table} SET deleted_at = {value} WHERE {key(table, row)}")
            written = await entry()
            assert about(written)[2:] == (subject(table, row), action)
            told = whole(table) if table == "project_members" else {"deleted_at", "version"}
            assert written.before.keys() == written.after.keys() == told

    @pytest.mark.parametrize("table", ["project_tags", "project_members", "projects", "tags", "users"])
    async def test_tells_all_of_a_row_that_is_gone_for_good(self, database, rows, entries, table):
        found, made = rows
        order = ["project_tags", "project_members", "projects", "tags", "users"]
        for name in order[: order.index(table)]:
            await execute(database, f"DELETE FROM {name}")
        await entries()
        await execute(database, f"DELETE FROM {table} WHERE {key(table, found[table])}")
        (written,) = await entries()
        part = table if table.startswith("project_") else None
        action = "deleted" if part else "purged"
        assert about(written) == ("projects" if part else table, part, subject(table, found[table]), action)
        assert written.before == made[table].after
        assert written.after is None

    @pytest.mark.parametrize("table", PLACES)
    async def test_tells_nothing_secret_nor_what_is_only_derived(self, database, rows, entries, table):
        _, made = rows
        if table == "users":
            await execute(database, "UPDATE users SET password_hash = 'a secret'")
            await execute(database, "UPDATE users SET full_name = 'searchable'")
        for entry in [made[table], *await entries()]:
            told = {*(entry.before or ()), *(entry.after or ())}
            assert not told & {"updated_at", *SECRET_COLUMNS}
            assert "a secret" not in str(entry.after)

    async def test_tells_of_a_new_password_only_that_the_account_changed(self, ann, entries):
        await entries()
        body = {"current_password": PASSWORD, "new_password": "another password"}
        assert (await ann.put("/users/me/password", json=body)).status_code == 204
        (written,) = [entry for entry in await entries() if entry.resource == "users"]
        assert (written.before, written.after) == ({"version": 1}, {"version": 2})

    @pytest.mark.parametrize("table", ["project_members", "project_tags"])
    async def test_tells_nothing_when_nothing_changed(self, database, rows, entries, table):
        await execute(database, f"UPDATE {table} SET project_id = project_id")
        assert await entries() == []


COLUMNS = "id, email, full_name, password_hash, role, is_active, email_verified"


class TestManyRows:
    async def test_of_one_statement_are_told_of_one_by_one(self, database, entries):
        user = await UserFactory.saved()
        await entries()
        await execute(
            database,
            "INSERT INTO tags (id, owner_id, name, slug, color) "
            "SELECT gen_random_uuid(), :id, n::text, n::text, '#000000' FROM generate_series(1, 100) AS n",
            id=user.id,
        )
        assert sorted(int(entry.after["name"]) for entry in await entries()) == list(range(1, 101))
        await execute(database, "UPDATE tags SET color = '#ffffff' WHERE owner_id = :id", id=user.id)
        assert len(await entries()) == 100

    async def test_of_none_are_told_of_by_nothing(self, database, entries):
        await entries()
        await execute(database, "INSERT INTO project_tags SELECT * FROM project_tags WHERE false")
        assert await entries() == []


class TestOnADatabaseThatCommits:
    def test_rows_of_a_copy_are_told_of_and_those_of_a_rollback_are_not(self):
        ids = [uuid7(), uuid7()]
        with clone() as url, psycopg.connect(url) as connection:
            for end, id in zip((connection.rollback, connection.commit), ids, strict=True):
                with connection.cursor().copy(f"COPY users ({COLUMNS}) FROM STDIN") as copy:
                    copy.write_row([id, f"{id}@example.com", "Copied", "x", "user", True, False])
                end()
            found = connection.execute("SELECT subject_id, action, actor_id, after ? 'password_hash' FROM journal")
            assert found.fetchall() == [(ids[1], "created", None, False)]

    def test_a_transaction_is_told_by_its_number(self):
        """The change feed puts them in the order of commits by it."""
        with clone() as url, psycopg.connect(url) as connection:
            for _ in range(2):
                id = uuid7()
                connection.execute(
                    f"INSERT INTO users ({COLUMNS}) VALUES (%s, %s, 'x', 'x', 'user', true, false)",
                    [id, f"{id}@example.com"],
                )
                connection.execute("UPDATE users SET full_name = 'y' WHERE id = %s", [id])
                connection.commit()
            rows = connection.execute(
                "SELECT xid::text, pg_current_xact_id() > xid FROM journal ORDER BY id"
            ).fetchall()
        assert [earlier for _, earlier in rows] == [True] * 4
        xids = [xid for xid, _ in rows]
        assert xids[0] == xids[1] != xids[2] == xids[3]
