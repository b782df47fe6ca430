"""Changing and deleting all projects that match; what every resource promises of that is in the contract."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


async def affected(answer: Any) -> list[str]:
    """The ids of the projects that were changed or deleted."""
    assert answer.status_code == 200, answer.text
    ids: list[str] = answer.json()["ids"]
    return ids


async def shared(caller: Caller, role: Role, owner: Caller) -> Project:
    """Somebody else's project, in which the caller has this role."""
    project: Project = await ProjectFactory.saved(owner_id=owner.id, name="Relaunch")
    await MemberFactory.saved(project_id=project.id, user_id=caller.id, role=role)
    return project


class TestWhatMatches:
    async def test_may_be_ones_own_and_what_others_share(self, ann: Caller, bob: Caller) -> None:
        """An editor changes; only an owner deletes."""
        own = await ProjectFactory.saved(owner_id=ann.id, name="Relaunch")
        edited, owned, _ = [await shared(ann, role, bob) for role in (Role.EDITOR, Role.OWNER, Role.VIEWER)]
        await ProjectFactory.saved(owner_id=bob.id, name="Relaunch")
        changed = await affected(await ann.patch("/projects?name=Relaunch", json={"status": "paused"}))
        assert changed == sorted(str(project.id) for project in (own, edited, owned))
        assert await affected(await ann.delete("/projects?name=Relaunch")) == sorted([str(own.id), str(owned.id)])

    async def test_is_found_by_words_and_by_tags(self, ann: Caller) -> None:
        tag = await TagFactory.saved(owner_id=ann.id, slug="garden")
        tagged, worded = [await ProjectFactory.saved(owner_id=ann.id, name=name) for name in ("A", "A pergola")]
        await ProjectTagFactory.saved(project_id=tagged.id, tag_id=tag.id)
        assert await affected(await ann.delete("/projects?q=pergola")) == [str(worded.id)]
        assert await affected(await ann.delete("/projects?tag=garden")) == [str(tagged.id)]

    async def test_is_not_what_has_the_new_values_already(self, ann: Caller) -> None:
        same = await ProjectFactory.saved(owner_id=ann.id, description="A", due_on=None)
        other = await ProjectFactory.saved(owner_id=ann.id, description="A", due_on=date(2026, 1, 1))
        body = {"description": "A", "due_on": None}
        ids = f"{same.id},{other.id}"
        assert await affected(await ann.patch(f"/projects?id[in]={ids}", json=body)) == [str(other.id)]
        assert await affected(await ann.patch(f"/projects?id[in]={ids}", json={})) == []


class TestARuleThatOneProjectBreaks:
    async def test_stops_the_change_of_all(self, ann: Caller) -> None:
        late = await ProjectFactory.saved(owner_id=ann.id, starts_on=date(2026, 3, 1), due_on=None)
        early = await ProjectFactory.saved(owner_id=ann.id, starts_on=None, due_on=None)
        answer = await ann.patch("/projects?status=active", json={"due_on": "2026-02-01"})
        assert (answer.status_code, answer.json()["code"]) == (422, "dates_out_of_order")
        for project in (late, early):
            assert (await ann.get(f"/projects/{project.id}")).json()["due_on"] is None


class TestInABatch:
    async def test_later_operations_see_it(self, ann: Caller) -> None:
        project = await ProjectFactory.saved(owner_id=ann.id, name="Relaunch")
        answer = await ann.post(
            "/batch",
            json={
                "operations": [
                    {"method": "PATCH", "path": "/projects?name=Relaunch", "body": {"status": "archived"}},
                    {"method": "DELETE", "path": "/projects?status=archived"},
                ]
            },
        )
        assert answer.status_code == 200, answer.text
        assert [result["body"]["ids"] for result in answer.json()["results"]] == [[str(project.id)]] * 2
