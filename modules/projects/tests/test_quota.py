"""How many projects an account may own."""

from collections.abc import AsyncIterator

import pytest
from httpx2 import Response

from app.asgi import create_app
from app.container import Application, compose
from modules.projects.models import Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import Caller, signed_in
from tests.database import RolledBackDatabase

QUOTA = 3


@pytest.fixture(scope="module")
def limited(settings: Settings, application: Application) -> Application:
    """The application where an account may own a few projects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRELLIS_PROJECTS_PER_ACCOUNT", str(QUOTA))
        limited = compose(settings, discover())
    limited.kernel.database.override(application.kernel.database())
    return limited


@pytest.fixture
async def ann(limited: Application, database: RolledBackDatabase) -> AsyncIterator[Caller]:
    """Who owns one project less than she may, and has deleted another."""
    async with await signed_in(create_app(limited), limited) as ann:
        for name in ("first", "second"):
            assert (await ann.put(f"/projects/by-external-id/{name}", json={"name": name})).status_code == 201
        gone = await ann.post("/projects", json={"name": "gone"})
        assert (await ann.delete(f"/projects/{gone.json()['id']}")).status_code == 204
        yield ann


def is_too_many(answer: Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_projects"), answer.text


async def names(ann: Caller) -> set[str]:
    return {item["name"] for item in (await ann.get("/projects")).json()["items"]}


class TestTheQuota:
    async def test_is_for_new_projects_of_every_kind(self, ann: Caller) -> None:
        third = await ann.post("/projects", json={"name": "third"})
        assert third.status_code == 201
        is_too_many(await ann.post("/projects", json={"name": "fourth"}))
        is_too_many(await ann.put("/projects/by-external-id/fourth", json={"name": "fourth"}))
        lines, kind = b'{"name": "fourth"}\n', {"Content-Type": "application/x-ndjson"}
        is_too_many(await ann.post("/projects/import", content=lines, headers=kind))
        assert await names(ann) == {"first", "second", "third"}
        assert (await ann.delete(f"/projects/{third.json()['id']}")).status_code == 204
        assert (await ann.post("/projects/import", content=lines, headers=kind)).json()["imported"] == 1
        is_too_many(await ann.post(f"/projects/{third.json()['id']}/restore"))
        assert await names(ann) == {"first", "second", "fourth"}

    async def test_is_not_in_the_way_of_changes(self, ann: Caller) -> None:
        await ann.post("/projects", json={"name": "third"})
        assert (await ann.put("/projects/by-external-id/first", json={"name": "changed"})).status_code == 200
        assert await names(ann) == {"changed", "second", "third"}

    async def test_fails_a_batch_that_passes_it(self, ann: Caller) -> None:
        two = [{"method": "POST", "path": "/projects", "body": {"name": name}} for name in ("third", "fourth")]
        failed = await ann.post("/batch", json={"operations": two})
        assert (failed.status_code, failed.json()["index"]) == (409, 1)
        assert failed.json()["problem"]["code"] == "too_many_projects"

    @pytest.mark.parametrize("how", ["leaves", "becomes an editor"])
    async def test_is_for_a_project_that_is_handed_over_too(self, limited: Application, ann: Caller, how: str) -> None:
        async def hand_over() -> Response:
            path = f"/projects/{project.id}/members/{bob.id}"
            return await (bob.delete(path) if how == "leaves" else bob.put(path, json={"role": "editor"}))

        async with await signed_in(create_app(limited), limited) as bob:
            project = await ProjectFactory.saved(owner_id=bob.id, name="handed over")
            await MemberFactory.saved(project_id=project.id, user_id=ann.id, role=Role.OWNER)
            third = await ann.post("/projects", json={"name": "third"})
            is_too_many(await hand_over())
            assert (await bob.get(f"/projects/{project.id}")).json()["owner_id"] == str(bob.id)
            assert (await ann.delete(f"/projects/{third.json()['id']}")).status_code == 204
            assert (await hand_over()).status_code == 204
            assert (await ann.get(f"/projects/{project.id}")).json()["owner_id"] == str(ann.id)

    async def test_is_nobodys_without_the_setting(self, app, application, database) -> None:
        async with await signed_in(app, application) as bob:
            for _ in range(QUOTA + 1):
                assert (await bob.post("/projects", json={"name": "one more"})).status_code == 201
