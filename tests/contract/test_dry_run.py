"""`?dry_run=true`: everything but the keeping."""

import pytest
from sqlalchemy import text

from modules.projects.tests.factories import ProjectFactory
from modules.users.tests.factories import PASSWORD
from tests.answers import unrecorded
from tests.contract.reading import refused
from tests.contract.test_problems import is_problem
from tests.contract.writing import CREATES, DOCUMENT_CHANGES, WRITES, World, Write, contents

NEW = Write("POST", "/projects", {"name": "new"})


@pytest.fixture
async def world(admin):
    return await World.made_by(admin)


def without(document, *names):
    return {name: value for name, value in document.items() if name not in names}


class TestADryRun:
    @pytest.mark.parametrize("what", WRITES)
    async def test_is_answered_as_the_write_and_keeps_nothing(self, admin, database, world, what):
        write, before = WRITES[what](world), await contents(database)
        dry = await write.by(admin, dry_run="true")
        assert await contents(database) == before
        real = await write.by(admin)
        assert real.is_success
        assert dry.status_code == real.status_code
        assert dry.headers.keys() - {"content-length"} == real.headers.keys() - {"content-length"}

    @pytest.mark.parametrize("what", CREATES | DOCUMENT_CHANGES)
    async def test_tells_what_would_be(self, admin, world, what):
        write = (CREATES | DOCUMENT_CHANGES)[what](world)
        dry, real = await write.by(admin, dry_run="true"), await write.by(admin)
        chance = {"updated_at", *({"id", "created_at", "expires_at"} if what in CREATES else ())}
        assert without(dry.json(), *chance) == without(real.json(), *chance)

    async def test_of_a_refusal_is_the_refusal(self, ann, bob):
        project = await ProjectFactory.saved(owner_id=ann.id, external_id="1")
        again = Write("POST", "/projects", {"name": "new", "external_id": "1"})
        is_problem(await again.by(ann, dry_run="true"), 409, "external_id_taken")
        is_problem(await Write("DELETE", f"/projects/{project.id}").by(bob, dry_run="true"), 404, "project_not_found")
        is_problem(await Write("POST", "/projects", {}).by(ann, dry_run="true"), 422, "invalid_input")
        stale = Write("DELETE", f"/projects/{project.id}")
        is_problem(await stale.by(ann, dry_run="true", If_Match='"7-x"'), 412, "version_mismatch")

    async def test_checks_what_only_a_commit_would_check(self, ann, database):
        """A deferred constraint, made so for once."""
        deferred = "ALTER TABLE projects ALTER CONSTRAINT fk_projects_owner_id DEFERRABLE INITIALLY DEFERRED"
        await database.sql(text(deferred))
        await database.sql(
            text("""
                CREATE FUNCTION orphan() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN NEW.owner_id := gen_random_uuid(); RETURN NEW; END $$
            """)
        )
        trigger = "CREATE TRIGGER orphan BEFORE UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION orphan()"
        project = await ProjectFactory.saved(owner_id=ann.id)
        await database.sql(text(trigger))
        member = Write("PUT", f"/projects/{project.id}/members/{ann.id}", {"role": "owner"})
        assert (await member.by(ann, dry_run="true")).status_code == 204  # It changes nothing.
        tag = (await ann.post("/tags", json={"name": "x"})).json()["id"]
        attached = Write("PUT", f"/projects/{project.id}/tags/{tag}")
        with unrecorded():
            is_problem(await attached.by(ann, dry_run="true"), 409, "conflict")

    async def test_signs_nobody_out(self, ann, database):
        before = await contents(database)
        assert (await ann.delete("/users/me?dry_run=true")).status_code == 204
        change = {"current_password": PASSWORD, "new_password": "another password"}
        assert (await ann.put("/users/me/password?dry_run=true", json=change)).status_code == 204
        assert await contents(database) == before

    async def test_needs_a_session_as_the_write_does(self, client):
        is_problem(await client.post("/projects?dry_run=true", json={"name": "new"}), 401, "unauthenticated")


class TestWithAnIdempotencyKey:
    async def test_it_is_not_kept(self, ann, database):
        before = await contents(database)
        for _ in range(2):
            dry = await NEW.by(ann, dry_run="true", Idempotency_Key="k")
            assert dry.status_code == 201
            assert "Idempotency-Replayed" not in dry.headers
        assert await contents(database) == before
        assert (await NEW.by(ann, Idempotency_Key="k")).status_code == 201

    async def test_it_is_none_of_the_write_with_the_key(self, ann):
        real = await NEW.by(ann, Idempotency_Key="k")
        dry = await NEW.by(ann, dry_run="true", Idempotency_Key="k")
        assert (dry.status_code, "Idempotency-Replayed" in dry.headers) == (201, False)
        assert dry.json()["id"] != real.json()["id"]


class TestTheParameter:
    @pytest.mark.parametrize("query", ["dry_run=", "dry_run=1", "dry_run=True", "dry_run=no", "dry_run=%00", "dry_run"])
    @pytest.mark.parametrize(("method", "path"), [("POST", "/projects"), ("DELETE", "/users/me")])
    async def test_is_true_or_false(self, ann, database, method, path, query):
        before = await contents(database)
        refused(await ann.request(method, f"{path}?{query}", json={"name": "new"}), "dry_run")
        assert await contents(database) == before

    @pytest.mark.parametrize("query", ["dry_run=true&dry_run=true", "dry_run=true&dry_run=false"])
    async def test_is_given_once(self, ann, query):
        refused(await ann.post(f"/projects?{query}", json={"name": "new"}), "dry_run")

    async def test_may_say_that_it_is_none(self, ann):
        made = await NEW.by(ann, dry_run="false")
        assert (await ann.get(f"/projects/{made.json()['id']}")).status_code == 200

    async def test_is_unknown_to_reads(self, ann):
        refused(await ann.get("/projects?dry_run=true"), "dry_run")
