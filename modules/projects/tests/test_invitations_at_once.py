"""Invitations over a database that commits: answers that meet each other, and what the change feed tells."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import pytest
from httpx2 import Response

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from shared.settings import Settings
from tests.callers import Caller
from tests.conformance.following import follow, latest
from tests.conformance.requests import items
from tests.conformance.stages import Stage, committing

ROUNDS = 4
"""In each, the requests meet in another order."""


@pytest.fixture(scope="module")
async def committed(settings: Settings) -> AsyncIterator[Stage]:
    async with committing(settings) as stage:
        yield stage


@pytest.fixture
def stage(committed: Stage) -> Iterator[Stage]:
    with committed.with_factories():
        yield committed


@pytest.fixture
async def ann(stage: Stage) -> Caller:
    return await stage.sign_in()


@pytest.fixture
async def bob(stage: Stage) -> Caller:
    return await stage.sign_in()


async def invited(host: Caller, project: Project, guest: Caller, role: str = "editor") -> str:
    body = {"user_id": str(guest.id), "role": role}
    answer = await host.post(f"/projects/{project.id}/invitations", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def at_once(*requests: Awaitable[Response]) -> list[int]:
    return [answer.status_code for answer in await asyncio.gather(*requests)]


async def is_member(caller: Caller, project: Project) -> bool:
    return (await caller.get(f"/projects/{project.id}")).status_code == 200


class TestAtOnce:
    async def test_one_of_many_answers_counts(self, ann: Caller, bob: Caller) -> None:
        """Accepted, declined, taken back: whichever came first, and no request is refused for another reason."""
        for turn in range(ROUNDS):
            project = await ProjectFactory.saved(owner_id=ann.id)
            id = await invited(ann, project, bob)
            accept, decline = [lambda how=how: bob.post(f"/invitations/{id}/{how}") for how in ("accept", "decline")]  # noqa: B023
            withdraw = lambda: ann.delete(f"/projects/{project.id}/invitations/{id}")  # noqa: B023, E731
            asked = [accept, decline, withdraw, accept, decline, withdraw]
            statuses = await at_once(*(one() for one in asked[turn:] + asked[:turn]))
            assert sorted(statuses) == [204] + [404] * 5
            first = (asked[turn:] + asked[:turn])[statuses.index(204)]
            assert await is_member(bob, project) == (first is accept)
            assert items(await ann.get(f"/projects/{project.id}/invitations")) == []

    async def test_one_of_many_invitations_of_a_person_is_made(self, ann: Caller, bob: Caller) -> None:
        for _ in range(ROUNDS):
            project = await ProjectFactory.saved(owner_id=ann.id)
            body = {"user_id": str(bob.id), "role": "viewer"}
            path = f"/projects/{project.id}/invitations"
            assert sorted(await at_once(*(ann.post(path, json=body) for _ in range(4)))) == [201, 409, 409, 409]

    async def test_nobody_joins_by_an_invitation_of_who_has_just_been_demoted(
        self, stage: Stage, ann: Caller, bob: Caller
    ) -> None:
        """Either they were a member before, or they are none."""
        for _ in range(ROUNDS):
            project, cora = await ProjectFactory.saved(owner_id=ann.id), await stage.sign_in()
            await MemberFactory.saved(project_id=project.id, user_id=cora.id, role=Role.OWNER)
            id = await invited(cora, project, bob)
            demoted = ann.put(f"/projects/{project.id}/members/{cora.id}", json={"role": "viewer"})
            statuses = await at_once(bob.post(f"/invitations/{id}/accept"), demoted)
            assert statuses in ([204, 204], [404, 204])
            assert await is_member(bob, project) == (statuses[0] == 204)
            assert items(await ann.get(f"/projects/{project.id}/invitations")) == []

    async def test_nobody_joins_a_project_that_is_being_deleted(self, ann: Caller, bob: Caller) -> None:
        """When it comes back, either they are a member, or they are still invited."""
        for _ in range(ROUNDS):
            project = await ProjectFactory.saved(owner_id=ann.id)
            id = await invited(ann, project, bob)
            accepted, deleted = await at_once(
                bob.post(f"/invitations/{id}/accept"), ann.delete(f"/projects/{project.id}")
            )
            assert (accepted in {204, 404}, deleted) == (True, 204)
            assert (await ann.post(f"/projects/{project.id}/restore")).status_code == 200
            assert await is_member(bob, project) == (accepted == 204)
            assert [item["id"] for item in items(await bob.get("/invitations"))] == ([] if accepted == 204 else [id])
            await bob.post(f"/invitations/{id}/decline")

    async def test_an_account_that_is_being_deleted_leaves_no_membership(self, stage: Stage, ann: Caller) -> None:
        for _ in range(ROUNDS):
            project, eve = await ProjectFactory.saved(owner_id=ann.id), await stage.sign_in()
            id = await invited(ann, project, eve)
            accepted, deleted = await at_once(eve.post(f"/invitations/{id}/accept"), eve.delete("/users/me"))
            assert (accepted in {204, 401}, deleted) == (True, 204)
            assert len(items(await ann.get(f"/projects/{project.id}/members"))) == 1


class TestTheFeed:
    async def test_tells_both_sides_of_an_invitation_and_its_end(self, ann: Caller, bob: Caller) -> None:
        """And of the project's name, which is all that the invited person sees of it; then of the project."""
        project = await ProjectFactory.saved(owner_id=ann.id)
        anns, bobs = await latest(ann), await latest(bob)
        id = await invited(ann, project, bob)
        assert (await ann.patch(f"/projects/{project.id}", json={"name": "New"})).status_code == 200
        assert (await ann.patch(f"/projects/{project.id}", json={"description": "Secret"})).status_code == 200
        assert await about(bob, bobs) == [("invitations", "created", id), ("invitations", "changed", id)]
        bobs = await latest(bob)
        assert (await bob.post(f"/invitations/{id}/accept")).status_code == 204
        assert await about(bob, bobs) == [
            ("projects", "created", str(project.id)),
            ("projects", "changed", str(project.id)),
            ("invitations", "deleted", id),
        ]
        of_invitations = [
            (action, one) for resource, action, one in await about(ann, anns) if resource == "invitations"
        ]
        assert of_invitations == [("created", id), ("deleted", id)]

    async def test_tells_the_invited_person_when_it_is_taken_back(self, ann: Caller, bob: Caller) -> None:
        project = await ProjectFactory.saved(owner_id=ann.id)
        bobs = await latest(bob)
        id = await invited(ann, project, bob)
        assert (await ann.delete(f"/projects/{project.id}/invitations/{id}")).status_code == 204
        assert await about(bob, bobs) == [("invitations", "created", id), ("invitations", "deleted", id)]


async def about(caller: Caller, cursor: str) -> list[tuple[str, str, Any]]:
    found, _ = await follow(caller, cursor)
    return [(item["resource"], item["action"], item["id"]) for item in found]
