"""The change feed and the OpenAPI document: what is told is described. It reads what others have committed."""

import pytest

from tests.callers import Caller
from tests.contract.described import OPERATIONS, misfits
from tests.contract.following import *  # noqa: F403 (its fixtures)
from tests.contract.following import SignIn, make, share

pytestmark = pytest.mark.needs("projects")


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


class TestTheFeed:
    async def test_is_told_as_described(self, ann, bob):
        project = await make(ann)
        await share(ann, project, bob)
        await ann.delete(f"/projects/{project}")
        answer = await ann.get("/changes")
        (told,) = [one.told["responses"]["200"] for one in OPERATIONS if one.id == "changes_follow"]
        assert {one["part"] for one in answer.json()["items"]} == {None, "project_members"}
        assert [*misfits(told["content"]["application/json"]["schema"], answer.json())] == []
