"""Changing a project: a merge patch, by its owners and editors."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def project(ann: Caller) -> Project:
    return await ProjectFactory.saved(
        owner_id=ann.id,
        external_id="42",
        name="Relaunch",
        description="New colours.",
        starts_on=date(2026, 2, 1),
        due_on=date(2026, 3, 1),
    )


@pytest.fixture
async def tags(ann: Caller, project: Project) -> list[Tag]:
    """Three of Ann's tags, of which the first two are on the project."""
    tags = [await TagFactory.saved(owner_id=ann.id, name=name) for name in "abc"]
    for tag in tags[:2]:
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    return tags


def names(document: dict[str, Any]) -> list[str]:
    return [tag["name"] for tag in document["tags"]]


class TestPatch:
    @pytest.mark.parametrize(
        "body",
        [{"starts_on": "2026-03-02"}, {"due_on": "2026-01-31"}, {"name": "x", "due_on": "2026-01-31", "tag_ids": []}],
    )
    async def test_one_date_alone_stays_in_order_with_the_other(
        self, ann: Caller, project: Project, tags: list[Tag], body: dict[str, Any]
    ) -> None:
        before = await ann.get(f"/projects/{project.id}")
        refused = await ann.patch(f"/projects/{project.id}", json=body)
        assert refused.status_code == 422
        problem = refused.json()
        assert problem["code"] == "dates_out_of_order"
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/due_on", "dates_out_of_order")]
        assert (await ann.get(f"/projects/{project.id}")).content == before.content


class TestTagIds:
    async def test_they_replace_all(self, ann: Caller, project: Project, tags: list[Tag]) -> None:
        sent = [str(tags[2].id), str(tags[1].id), str(tags[2].id)]
        patched = await ann.patch(f"/projects/{project.id}", json={"tag_ids": sent})
        assert names(patched.json()) == ["b", "c"]

    async def test_none_take_all_away(self, ann: Caller, project: Project, tags: list[Tag]) -> None:
        assert names((await ann.patch(f"/projects/{project.id}", json={"tag_ids": []})).json()) == []

    @pytest.mark.parametrize("fields", [{}, {"name": "Launch", "status": "paused"}, {"name": "Relaunch"}])
    @pytest.mark.parametrize("kept", [[], [0], [0, 1, 2], [1, 2]])
    async def test_they_and_all_other_fields_are_one_change(
        self, ann: Caller, project: Project, tags: list[Tag], fields: dict[str, Any], kept: list[int]
    ) -> None:
        body = {**fields, "tag_ids": [str(tags[n].id) for n in kept]}
        assert (await ann.patch(f"/projects/{project.id}", json=body)).json()["version"] == project.version + 1

    async def test_those_that_are_there_are_no_change(self, ann: Caller, project: Project, tags: list[Tag]) -> None:
        before = await ann.get(f"/projects/{project.id}")
        body = {"name": " Relaunch ", "tag_ids": [str(tags[n].id) for n in (1, 0, 1)]}
        assert (await ann.patch(f"/projects/{project.id}", json=body)).content == before.content

    async def test_they_leave_other_projects_alone(self, ann: Caller, project: Project, tags: list[Tag]) -> None:
        other = await ProjectFactory.saved(owner_id=ann.id)
        await ProjectTagFactory.saved(project_id=other.id, tag_id=tags[0].id)
        await ann.patch(f"/projects/{project.id}", json={"tag_ids": []})
        assert names((await ann.get(f"/projects/{other.id}")).json()) == ["a"]

    async def test_one_that_cannot_be_attached_is_refused_with_the_rest(
        self, ann: Caller, project: Project, tags: list[Tag]
    ) -> None:
        before = await ann.get(f"/projects/{project.id}")
        body = {"name": "Launch", "tag_ids": [str(tags[2].id), str(uuid7())]}
        refused = await ann.patch(f"/projects/{project.id}", json=body)
        assert refused.status_code == 422
        errors = refused.json()["errors"]
        assert [(error["pointer"], error["code"]) for error in errors] == [("/tag_ids/1", "tag_not_attachable")]
        assert (await ann.get(f"/projects/{project.id}")).content == before.content

    async def test_a_tag_that_is_on_the_project_may_stay_whoever_put_it_there(
        self, ann: Caller, project: Project, signed_in: SignIn
    ) -> None:
        """What one has read one may write back: keeping a tag is not attaching it."""
        eve = await signed_in(full_name="Eve")
        await MemberFactory.saved(project_id=project.id, user_id=eve.id, role=Role.EDITOR)
        tag = await TagFactory.saved(owner_id=eve.id)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        kept = [tag["id"] for tag in (await ann.get(f"/projects/{project.id}")).json()["tags"]]
        patched = await ann.patch(f"/projects/{project.id}", json={"tag_ids": kept})
        assert patched.status_code == 200, patched.text
