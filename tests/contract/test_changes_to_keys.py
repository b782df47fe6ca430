"""The change feed as an API key follows it: of what its scopes let it read."""

import pytest

from modules.users.tests.keys import key_of, sent
from tests.callers import anonymous
from tests.contract.following import *  # noqa: F403 (its fixtures)
from tests.contract.following import follow, latest, make, share


@pytest.fixture
async def ann(signed_in):
    return await signed_in()


@pytest.fixture
async def bob(signed_in):
    return await signed_in()


async def told_to_key(caller, served, cursor, *scopes):
    """What a key of the caller's with these scopes is told after the cursor."""
    async with anonymous(served, headers=sent(await key_of(caller, *scopes))) as key:
        return (await follow(key, cursor))[0]


class TestAKey:
    @pytest.mark.parametrize(
        "scopes", [["tags:read"], ["projects:read"], ["tags:read", "projects:read"], ["tags:write"]]
    )
    async def test_is_told_of_the_resources_that_it_may_read(self, ann, served, scopes):
        cursor = await latest(ann)
        await make(ann)
        await make(ann, path="/tags")
        everything, _ = await follow(ann, cursor)
        assert {item["resource"] for item in everything} == {"tags", "projects"}
        expected = [item for item in everything if f"{item['resource']}:read" in scopes]
        assert await told_to_key(ann, served, cursor, *scopes) == expected

    async def test_is_not_told_of_a_loss_of_what_it_may_not_read(self, ann, bob, served):
        id = await make(ann)
        await share(ann, id, bob)
        cursor = await latest(bob)
        assert (await ann.delete(f"/projects/{id}/members/{bob.id}")).status_code == 204
        assert [item["resource"] for item in await told_to_key(bob, served, cursor, "projects:read")] == ["projects"]
        assert "projects" not in [item["resource"] for item in await told_to_key(bob, served, cursor, "tags:read")]
