"""A change raises a project's version by one, and what changes nothing leaves it."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

import pytest

from modules.projects.models import Project
from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from tests.callers import Caller


@pytest.fixture
async def ann(signed_in: Callable[..., Awaitable[Caller]]) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def project(ann: Caller) -> Project:
    return await ProjectFactory.saved(owner_id=ann.id, external_id="42", name="Relaunch", due_on=date(2026, 3, 1))


@pytest.fixture
async def tags(ann: Caller, project: Project) -> list[Tag]:
    """Three of Ann's tags, of which the first two are on the project."""
    tags = [await TagFactory.saved(owner_id=ann.id) for _ in range(3)]
    for tag in tags[:2]:
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    return tags


class TestPatch:
    @pytest.mark.parametrize(
        ("fields", "kept"),
        [
            ({"name": "Launch"}, None),
            ({"name": "Launch", "status": "paused", "due_on": None}, None),
            ({}, [0]),
            ({}, [0, 1, 2]),
            ({}, [2]),
            ({}, []),
            ({"name": "Launch"}, [0]),
            ({"name": "Launch"}, [0, 1, 2]),
            ({"name": "Launch", "status": "paused"}, [1, 2]),
            ({"name": "Launch"}, [0, 1]),
            ({"name": "Relaunch"}, [2]),
        ],
    )
    async def test_it_goes_up_by_exactly_one(
        self, ann: Caller, project: Project, tags: list[Tag], fields: dict[str, Any], kept: list[int] | None
    ) -> None:
        before = (await ann.get(f"/projects/{project.id}")).json()
        body = fields if kept is None else {**fields, "tag_ids": [str(tags[n].id) for n in kept]}
        after = (await ann.patch(f"/projects/{project.id}", json=body)).json()
        assert after["version"] == before["version"] + 1
        assert datetime.fromisoformat(after["updated_at"]) > datetime.fromisoformat(before["updated_at"])

    @pytest.mark.parametrize(
        ("fields", "kept"),
        [
            ({}, None),
            ({"name": " Relaunch ", "external_id": "42", "status": "active", "due_on": "2026-03-01"}, None),
            ({}, [1, 0, 1]),
            ({"name": "Relaunch"}, [0, 1]),
        ],
    )
    async def test_it_stays_when_nothing_changes(
        self, ann: Caller, project: Project, tags: list[Tag], fields: dict[str, Any], kept: list[int] | None
    ) -> None:
        before = await ann.get(f"/projects/{project.id}")
        body = fields if kept is None else {**fields, "tag_ids": [str(tags[n].id) for n in kept]}
        patched = await ann.patch(f"/projects/{project.id}", json=body)
        assert patched.status_code == 200
        assert patched.content == before.content
