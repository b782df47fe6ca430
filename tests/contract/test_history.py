"""Who changed what: the history of a row for who sees it, and the whole journal for administrators."""

from datetime import datetime

import pytest

from modules.projects.models import Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from modules.projects.tests.joining import join
from modules.tags.tests.factories import TagFactory
from tests.contract.reading import items, refused, shared_with, walk
from tests.contract.test_plans import executed, sequential_scans
from tests.contract.test_problems import is_problem

NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def project(ann):
    """Ann's, made, renamed and shared by herself."""
    return (await ann.post("/projects", json={"name": "Relaunch"})).json()


def actions(answer):
    return [(item["action"], item["part"]) for item in items(answer)]


class TestTheHistoryOfAProject:
    async def test_tells_what_changed_newest_first(self, ann, project):
        change = {"name": "Relaunch 2", "due_on": "2027-01-01"}
        changed = await ann.patch(f"/projects/{project['id']}", json=change, headers={"X-Request-ID": "one"})
        newest, oldest = items(await ann.get(f"/projects/{project['id']}/history"))
        assert list(newest) == ["id", "at", "action", "part", "actor_id", "before", "after"]
        assert (newest["action"], newest["part"], newest["actor_id"]) == ("changed", None, str(ann.id))
        assert newest["before"] == {"name": "Relaunch", "due_on": None, "version": 1}
        assert newest["after"] == change | {"version": 2}
        assert (oldest["action"], oldest["before"], oldest["after"]["name"]) == ("created", None, "Relaunch")
        assert oldest["id"] < newest["id"]
        assert newest["after"]["version"] == changed.json()["version"]

    async def test_tells_times_as_documents_do(self, ann, project):
        (created,) = items(await ann.get(f"/projects/{project['id']}/history"))
        assert created["after"]["created_at"] == project["created_at"]
        assert datetime.fromisoformat(created["at"]).utcoffset() is not None
        assert created["at"].endswith("+00:00")

    async def test_tells_of_members_and_tags_whose_they_are(self, ann, bob, project):
        path = f"/projects/{project['id']}"
        tag = (await ann.post("/tags", json={"name": "Urgent"})).json()
        await ann.put(f"{path}/tags/{tag['id']}")
        await join(ann, project["id"], bob)
        await ann.put(f"{path}/members/{bob.id}", json={"role": "editor"})
        parts = [item for item in items(await ann.get(f"{path}/history")) if item["part"]]
        assert [(item["part"], item["action"]) for item in parts] == [
            ("project_members", "changed"),
            ("project_members", "created"),
            ("project_tags", "created"),
        ]
        assert parts[0]["before"]["role"] == "viewer"
        assert parts[0]["after"]["role"] == "editor"
        assert parts[0]["after"]["user_id"] == str(bob.id)
        assert parts[2]["after"]["tag_id"] == tag["id"]

    async def test_comes_in_pages_that_neither_skip_nor_repeat(self, ann, project):
        path = f"/projects/{project['id']}"
        for n in range(5):
            await ann.patch(path, json={"name": f"Name {n}"})
        found = await walk(ann, f"{path}/history", limit=2)
        assert [item["after"]["version"] for item in found] == [6, 5, 4, 3, 2, 1]

    async def test_counts(self, ann, project):
        answer = await ann.get(f"/projects/{project['id']}/history", params={"count": "exact"})
        assert answer.json()["count"] == 1

    async def test_can_be_narrowed(self, ann, bob, project):
        path = f"/projects/{project['id']}"
        await MemberFactory.saved(project_id=project["id"], user_id=bob.id, role="editor")
        between = items(await ann.get(f"{path}/history"))[0]["at"]
        await bob.patch(path, json={"name": "Bob's"})
        history = f"{path}/history"
        assert actions(await ann.get(history, params={"action": "created"})) == [
            ("created", "project_members"),
            ("created", None),
        ]
        assert actions(await ann.get(history, params={"actor_id": str(bob.id)})) == [("changed", None)]
        assert actions(await ann.get(history, params={"part": "project_members"})) == [("created", "project_members")]
        assert actions(await ann.get(history, params={"at[gt]": between})) == [("changed", None)]
        assert len(items(await ann.get(history, params={"at[lte]": between}))) == 2

    @pytest.mark.parametrize(
        "parameter", ["action=lost", "actor_id=x", "at[gte]=1", "sort=at", "deleted=only", "subject_id=x", "limit=0"]
    )
    async def test_refuses_other_parameters(self, ann, project, parameter):
        name = parameter.partition("=")[0]
        refused(await ann.get(f"/projects/{project['id']}/history?{parameter}"), name)

    async def test_has_cursors_for_its_caller_and_project_only(self, ann, bob, project):
        other = (await ann.post("/projects", json={"name": "Other"})).json()
        for one in (project, other):
            await join(ann, one["id"], bob)
        first = await ann.get(f"/projects/{project['id']}/history", params={"limit": 1})
        cursor = {"cursor": first.json()["next_cursor"]}
        for caller, one in ((bob, project), (ann, other)):
            answer = await caller.get(f"/projects/{one['id']}/history", params=cursor)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")

    async def test_is_revalidated_like_every_list(self, ann, project):
        answer = await ann.get(f"/projects/{project['id']}/history")
        headers = {"If-None-Match": answer.headers["ETag"]}
        assert (await ann.get(f"/projects/{project['id']}/history", headers=headers)).status_code == 304


class TestWhoSeesIt:
    @pytest.mark.parametrize("role", list(Role))
    async def test_everyone_who_sees_the_project(self, ann, bob, admin, role):
        project = await shared_with(bob, await ProjectFactory.saved(owner_id=ann.id), role)
        pages = [(await caller.get(f"/projects/{project.id}/history")).json() for caller in (ann, bob, admin)]
        assert pages[0]["items"]
        assert pages[0] == pages[1] == pages[2]

    async def test_nobody_else_be_it_there_or_not(self, ann, bob):
        project = await ProjectFactory.saved(owner_id=ann.id)
        headers = {"X-Request-ID": "same"}
        hidden = await bob.get(f"/projects/{project.id}/history", headers=headers)
        absent = await bob.get(f"/projects/{NOBODY}/history", headers=headers)
        assert (hidden.status_code, hidden.json()["code"]) == (404, "project_not_found")
        assert hidden.content.replace(str(project.id).encode(), NOBODY.encode()) == absent.content

    async def test_nobody_of_another_resource_by_its_id(self, ann):
        """The id of a tag is that of no project."""
        tag = await TagFactory.saved(owner_id=ann.id)
        assert (await ann.get(f"/projects/{tag.id}/history")).status_code == 404

    async def test_of_a_deleted_one_who_may_restore_it(self, ann, bob, admin):
        project = await shared_with(bob, await ProjectFactory.saved(owner_id=ann.id), Role.EDITOR)
        await ann.delete(f"/projects/{project.id}")
        for caller in (ann, admin):
            assert actions(await caller.get(f"/projects/{project.id}/history"))[0] == ("deleted", None)
        assert (await bob.get(f"/projects/{project.id}/history")).status_code == 404

    async def test_no_entry_is_no_missing_row(self, ann, bob):
        """A filter that matches nothing, or a page past the end."""
        project = await shared_with(bob, await ProjectFactory.saved(owner_id=ann.id))
        path = f"/projects/{project.id}/history?action=purged"
        assert items(await ann.get(path)) == items(await bob.get(path)) == []

    async def test_nobody_without_a_session(self, ann, client):
        project = await ProjectFactory.saved(owner_id=ann.id)
        assert (await client.get(f"/projects/{project.id}/history")).status_code == 401
        await ann.delete("/users/me")
        assert (await ann.get(f"/projects/{project.id}/history")).status_code == 401


class TestTheHistoryOfATag:
    async def test_is_read_by_who_sees_the_tag(self, ann, bob):
        tag = (await ann.post("/tags", json={"name": "Urgent"})).json()
        await ann.patch(f"/tags/{tag['id']}", json={"color": "#ff0000"})
        path = f"/tags/{tag['id']}/history"
        assert actions(await ann.get(path)) == [("changed", None), ("created", None)]
        assert (await bob.get(path)).status_code == 404
        project = await shared_with(bob, await ProjectFactory.saved(owner_id=ann.id))
        await ann.put(f"/projects/{project.id}/tags/{tag['id']}")
        assert (await bob.get(path)).json() == (await ann.get(path)).json()


class TestTheHistoryOfAnAccount:
    async def test_is_for_administrators(self, ann, admin):
        await ann.patch("/users/me", json={"full_name": "Anna"})
        path = f"/users/{ann.id}/history"
        changed, created = items(await admin.get(path))
        assert changed["before"] == {"full_name": "Ann", "version": 1}
        assert created["after"]["email"] == "ann@example.com"
        assert (await ann.get(path)).status_code == 403

    async def test_tells_no_secret(self, ann, admin):
        form = {"current_password": "correct horse battery", "new_password": "battery staple horse"}
        assert (await ann.put("/users/me/password", json=form)).status_code == 204
        answer = await admin.get(f"/users/{ann.id}/history")
        assert items(answer)[0]["after"] == {"version": 2}
        assert "password" not in answer.text
        assert "argon2" not in answer.text


class TestAPageThatTheClientHas:
    async def test_is_not_sent_again(self, admin, project):
        tag = await TagFactory.saved(owner_id=admin.id)
        for path in (f"/tags/{tag.id}/history", f"/users/{admin.id}/history", "/journal"):
            page = await admin.get(path)
            again = await admin.get(path, headers={"If-None-Match": page.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")


class TestTheHistoryOfNobody:
    async def test_is_not_there(self, admin):
        is_problem(await admin.get(f"/users/{NOBODY}/history"), 404, "user_not_found")


class TestTheJournal:
    async def test_tells_administrators_of_everything_and_where_it_came_from(self, ann, admin, project):
        await ann.delete(f"/projects/{project['id']}", headers={"X-Request-ID": "one"})
        newest = items(await admin.get("/journal"))[0]
        assert newest["resource"] == "projects"
        assert newest["subject_id"] == project["id"]
        assert (newest["actor_id"], newest["session_id"]) == (str(ann.id), str(ann.session_id))
        assert newest["request_id"] == "one"

    async def test_is_for_nobody_else(self, ann, client):
        refusal = await ann.get("/journal")
        assert (refusal.status_code, refusal.json()["code"]) == (403, "administrators_only")
        assert (await client.get("/journal")).status_code == 401

    async def test_can_be_narrowed(self, ann, bob, admin, project):
        await bob.post("/tags", json={"name": "Urgent"})
        await ann.delete(f"/projects/{project['id']}")
        for params, count in (
            ({"resource": "tags"}, 1),
            ({"subject_id": project["id"]}, 2),
            ({"actor_id": str(ann.id)}, 2),
            ({"actor_id": str(ann.id), "action": "deleted"}, 1),
            ({"resource[in]": "tags,projects", "actor_id": str(bob.id)}, 1),
            ({"at[lt]": "2000-01-01T00:00:00Z"}, 0),
        ):
            assert len(items(await admin.get("/journal", params=params))) == count, params

    async def test_comes_in_pages_newest_first(self, ann, admin):
        for n in range(5):
            await ann.post("/tags", json={"name": f"Tag {n}"})
        found = await walk(admin, "/journal", actor_id=str(ann.id), limit=2)
        assert [item["after"]["name"] for item in found] == [f"Tag {n}" for n in range(4, -1, -1)]

    async def test_outlasts_what_it_tells_of(self, ann, admin, project, database):
        await database.script(f"DELETE FROM projects WHERE id = '{project['id']}'")
        newest = items(await admin.get("/journal", params={"subject_id": project["id"]}))[0]
        assert newest["action"] == "purged"
        assert newest["before"]["name"] == "Relaunch"
        assert (await admin.get(f"/projects/{project['id']}/history")).status_code == 404


CROWD = """
INSERT INTO journal (resource, subject_id, actor_id, action, after)
SELECT 'projects', gen_random_uuid(), gen_random_uuid(), 'changed', '{}' FROM generate_series(1, 20000);
ANALYZE journal
"""


class TestWhatItCosts:
    @pytest.fixture
    async def crowded(self, database):
        for statement in CROWD.split(";"):
            await database.script(statement)

    async def test_no_scan_of_the_journal(self, ann, admin, project, crowded, database):
        """Not a first page, not a deep one, and not by any filter that picks a few."""
        await ann.patch(f"/projects/{project['id']}", json={"name": "x"})
        history = f"/projects/{project['id']}/history"
        pages = {
            (ann, history): 2,
            (ann, f"http://test{(await ann.get(history, params={'limit': 1})).links['next']['url']}"): 1,
            (admin, "/journal"): 20,
            (admin, f"http://test{(await admin.get('/journal')).links['next']['url']}"): 20,
            (admin, f"/journal?subject_id={project['id']}"): 2,
            (admin, f"/journal?actor_id={ann.id}"): 2,
            (admin, "/journal?at[gte]=2026-01-01T00:00:00Z"): 20,
            (admin, "/journal?at[lt]=2026-01-01T00:00:00Z"): 0,
        }
        for (caller, path), count in pages.items():
            before = await sequential_scans(database, "journal")
            for _ in range(7):  # After five executions, PostgreSQL may take to a plan for any values.
                assert len(items(await caller.get(path))) == count, path
            assert await sequential_scans(database, "journal") == before, path

    async def test_one_statement_a_page(self, ann, project):
        with executed() as statements:
            await ann.get(f"/projects/{project['id']}/history")
        assert len(statements) == 1

    async def test_would_tell_a_scan(self, admin, crowded, database):
        before = await sequential_scans(database, "journal")
        await database.script("SELECT count(before) FROM journal")
        assert await sequential_scans(database, "journal") == before + 1
