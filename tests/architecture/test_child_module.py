"""A module whose rows belong to another's finds in that one's `api.py` all that it needs: comments on projects."""

import os

import pytest

from tests.architecture import trees
from tests.architecture.comments import COMMENTS
from tests.database import TEMPLATE

TESTS = """
    import pytest
    from sqlalchemy import text

    from modules.projects.models import Role
    from modules.projects.tests.factories import MemberFactory, ProjectFactory
    from modules.users.models import Role as AccountRole
    from shared.manifest import discover


    @pytest.fixture
    async def ann(signed_in):
        return await signed_in()


    @pytest.fixture
    async def bob(signed_in):
        return await signed_in()


    @pytest.fixture
    async def root(signed_in):
        return await signed_in(role=AccountRole.ADMIN)


    @pytest.fixture
    async def project(ann):
        return await ProjectFactory.saved(owner_id=ann.id, name="Garden")


    async def share(project, caller, role):
        return await MemberFactory.saved(project_id=project.id, user_id=caller.id, role=role)


    async def comment(caller, project, words="x", **headers):
        return await caller.post("/comments", json={"project_id": str(project.id), "text": words}, headers=headers)


    async def commented(caller, project, words="x"):
        created = await comment(caller, project, words)
        assert created.status_code == 201, created.text
        return f"/comments/{created.json()['id']}"


    async def texts(caller):
        return sorted(item["text"] for item in (await caller.get("/comments")).json()["items"])


    async def gone(database):
        '''The comments that are deleted, and whether their projects are in the same deletion.'''
        same = "comments.deletion_id IS NOT DISTINCT FROM projects.deletion_id"
        deleted = f"SELECT text, {same} FROM comments JOIN projects ON projects.id = project_id"
        return dict([*await database.sql(text(f"{deleted} WHERE comments.deleted_at IS NOT NULL"))])


    async def done(request):
        answer = await request
        assert answer.is_success, answer.text


    class TestCreate:
        async def test_shows_the_project(self, ann, project):
            created = await comment(ann, project)
            assert created.status_code == 201
            assert created.json()["project"] == {"id": str(project.id), "name": "Garden"}

        async def test_is_for_those_who_may_change_the_project(self, bob, project):
            assert (await comment(bob, project)).json()["code"] == "project_not_found"
            await share(project, bob, Role.EDITOR)
            assert (await comment(bob, project)).status_code == 201

        async def test_is_not_for_those_who_only_see_it(self, bob, project):
            await share(project, bob, Role.VIEWER)
            refused = await comment(bob, project)
            assert (refused.status_code, refused.json()["code"]) == (403, "project_forbidden")
            assert [error["pointer"] for error in refused.json()["errors"]] == ["/project_id"]

        async def test_is_for_administrators(self, root, project):
            assert (await comment(root, project)).status_code == 201

        async def test_is_not_told_again_to_who_may_no_longer(self, ann, bob, project):
            await share(project, bob, Role.EDITOR)
            key = {"Idempotency-Key": "k"}
            first = await comment(bob, project, **key)
            assert (await comment(bob, project, **key)).json() == first.json()
            await done(ann.put(f"/projects/{project.id}/members/{bob.id}", json={"role": "viewer"}))
            assert (await comment(bob, project, **key)).json()["code"] == "project_forbidden"


    class TestTheRoleInTheProject:
        async def test_is_that_on_its_comments(self, ann, bob, project):
            path = await commented(ann, project)
            assert (await bob.get(path)).status_code == 404
            assert await texts(bob) == []
            await share(project, bob, Role.VIEWER)
            assert (await bob.get(path)).status_code == 200
            assert await texts(bob) == ["x"]
            assert (await bob.delete(path)).json()["code"] == "comment_forbidden"
            await done(ann.delete(path))
            await done(ann.post(f"{path}/restore"))
            assert await texts(ann) == ["x"]


    @pytest.fixture(params=["the project", "the account"])
    def deletion(request, ann, root, project):
        '''How the project goes, and how it comes back.'''
        path = f"/projects/{project.id}" if request.param == "the project" else f"/users/{ann.id}"
        return (lambda: root.delete(path)), (lambda: root.post(f"{path}/restore"))


    class TestADeletionOf:
        async def test_the_project_takes_comments_along_and_back(self, ann, root, project, deletion, database):
            delete, restore = deletion
            path, before = await commented(ann, project), await commented(ann, project, "before")
            await done(root.delete(before))
            await done(delete())
            assert await gone(database) == {"x": True, "before": False}
            assert (await root.get(path)).status_code == 404
            await done(restore())
            assert await gone(database) == {"before": False}
            assert (await root.get(path)).status_code == 200
            await done(root.post(f"{before}/restore"))

        async def test_the_project_leaves_the_comments_of_others(self, ann, bob, project, deletion, database):
            delete, _ = deletion
            others = [await ProjectFactory.saved(owner_id=bob.id) for _ in range(2)]
            for other in others:
                await commented(bob, other)
            await done(bob.delete(f"/projects/{others[0].id}"))
            before = await gone(database)
            await done(delete())
            assert await gone(database) == before == {"x": True}
            assert await texts(bob) == ["x"]

        async def test_the_project_leaves_no_way_to_a_comment_alone(self, ann, root, project, deletion):
            path = await commented(ann, project)
            await done(deletion[0]())
            assert (await root.post(f"{path}/restore")).json()["code"] == "comment_not_found"

        async def test_the_project_leaves_those_of_one_that_was_deleted_before(self, ann, root, project):
            path = await commented(ann, project)
            await done(ann.delete(f"/projects/{project.id}"))
            await done(root.delete(f"/users/{ann.id}"))
            await done(root.post(f"/users/{ann.id}/restore"))
            assert (await root.get(path)).status_code == 404
            await done(root.post(f"/projects/{project.id}/restore"))
            assert (await root.get(path)).status_code == 200
"""

FEED = """
    from tests.contract.following import *  # its fixtures
    from tests.contract.following import follow, latest, make, share


    class TestTheFeed:
        async def test_tells_of_comments_what_their_projects_change_in_them(self, signed_in):
            ann, bob = await signed_in(), await signed_in()
            project, other = await make(ann), await make(ann)
            bodies = [{"project_id": of, "text": "x"} for of in (project, other)]
            comment, _ = [(await ann.post("/comments", json=body)).json()["id"] for body in bodies]
            await share(ann, project, bob)
            member = f"/projects/{project}/members/{bob.id}"
            for method, path, body, told in (
                ("PATCH", f"/projects/{project}", {"name": "Garden"}, {comment}),
                ("PATCH", f"/projects/{project}", {"description": "It is not in them."}, set()),
                ("DELETE", member, None, {None}),
                ("PATCH", f"/projects/{project}", {"name": "Shed"}, set()),
                ("share", member, None, {comment}),
                ("DELETE", f"/projects/{project}", None, {None}),
                ("POST", f"/projects/{project}/restore", None, {comment}),
            ):
                start = await latest(bob)
                if method == "share":
                    await share(ann, project, bob)
                else:
                    assert (await ann.request(method, path, json=body)).is_success
                found, _ = await follow(bob, start)
                assert {item["id"] for item in found if item["resource"] == "comments"} == told, (method, path)
"""


@pytest.mark.needs("projects")
class TestAChildModule:
    def test_needs_no_more_than_the_parent_publishes_by_default(self, tmp_path):
        """The parent's summary, policy, what holds its rows, and the events of its deletion groups."""
        tree = trees.copied(tmp_path)
        tests = {"tests/__init__.py": "", "tests/test_comments.py": TESTS, "tests/test_feed.py": FEED}
        trees.drop_in(tree, "comments", COMMENTS | tests)
        arguments = ("-m", "pytest", "modules/comments", "-n0", "-p", "no:cacheprovider")
        report = trees.run(tree, *arguments, DATABASE_URL=os.environ[TEMPLATE])
        assert report.returncode == 0, report.stdout + report.stderr
        assert "14 passed" in report.stdout
