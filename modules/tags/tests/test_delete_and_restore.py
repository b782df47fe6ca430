"""Deleting a tag, and bringing it back."""

from collections.abc import Awaitable, Callable

import pytest

from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import Role
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def tag(ann: Caller) -> Tag:
    return await TagFactory.saved(owner_id=ann.id, slug="urgent")


class TestDelete:
    async def test_it_answers_with_nothing(self, ann: Caller, tag: Tag) -> None:
        deleted = await ann.delete(f"/tags/{tag.id}")
        assert deleted.status_code == 204
        assert deleted.content == b""

    async def test_the_tag_is_gone_from_everywhere(self, ann: Caller, tag: Tag) -> None:
        await ann.delete(f"/tags/{tag.id}")
        assert (await ann.get(f"/tags/{tag.id}")).status_code == 404
        assert (await ann.delete(f"/tags/{tag.id}")).status_code == 404
        assert (await ann.get("/tags")).json()["items"] == []

    async def test_the_others_stay(self, ann: Caller, tag: Tag) -> None:
        other = await TagFactory.saved(owner_id=ann.id)
        await ann.delete(f"/tags/{tag.id}")
        assert [item["id"] for item in (await ann.get("/tags")).json()["items"]] == [str(other.id)]

    async def test_an_administrator_may(self, ann: Caller, tag: Tag, signed_in: SignIn) -> None:
        admin = await signed_in(role=Role.ADMIN)
        assert (await admin.delete(f"/tags/{tag.id}")).status_code == 204
        assert (await ann.get(f"/tags/{tag.id}")).status_code == 404


class TestRestore:
    async def test_the_tag_is_back_as_it_was(self, ann: Caller, tag: Tag) -> None:
        before = (await ann.get(f"/tags/{tag.id}")).json()
        await ann.delete(f"/tags/{tag.id}")
        restored = await ann.post(f"/tags/{tag.id}/restore")
        assert restored.status_code == 200, restored.text
        changed = {"version", "updated_at"}
        after = restored.json()
        assert {name for name in after if after[name] != before[name]} == changed
        assert after["version"] > before["version"]

    async def test_the_answer_equals_every_later_read_byte_for_byte(self, ann: Caller, tag: Tag) -> None:
        await ann.delete(f"/tags/{tag.id}")
        restored = await ann.post(f"/tags/{tag.id}/restore")
        assert (await ann.get(f"/tags/{tag.id}")).content == restored.content
        assert [item["id"] for item in (await ann.get("/tags")).json()["items"]] == [str(tag.id)]

    async def test_a_second_time_changes_nothing(self, ann: Caller, tag: Tag) -> None:
        await ann.delete(f"/tags/{tag.id}")
        once = await ann.post(f"/tags/{tag.id}/restore")
        twice = await ann.post(f"/tags/{tag.id}/restore")
        assert twice.status_code == 200
        assert twice.content == once.content

    async def test_one_that_was_not_deleted_is_left_as_it_is(self, ann: Caller, tag: Tag) -> None:
        before = await ann.get(f"/tags/{tag.id}")
        assert (await ann.post(f"/tags/{tag.id}/restore")).content == before.content

    async def test_it_can_be_deleted_and_restored_again(self, ann: Caller, tag: Tag) -> None:
        for _ in range(2):
            assert (await ann.delete(f"/tags/{tag.id}")).status_code == 204
            assert (await ann.post(f"/tags/{tag.id}/restore")).status_code == 200

    async def test_only_the_one_asked_for_comes_back(self, ann: Caller, tag: Tag) -> None:
        other = await TagFactory.saved(owner_id=ann.id)
        await ann.delete(f"/tags/{other.id}")
        await ann.delete(f"/tags/{tag.id}")
        await ann.post(f"/tags/{tag.id}/restore")
        assert (await ann.get(f"/tags/{other.id}")).status_code == 404

    async def test_a_slug_that_was_taken_meanwhile_stands_in_the_way(self, ann: Caller, tag: Tag) -> None:
        await ann.delete(f"/tags/{tag.id}")
        heir = await ann.post("/tags", json={"name": "Urgent"})
        refused = await ann.post(f"/tags/{tag.id}/restore")
        assert refused.status_code == 409
        assert refused.json()["code"] == "slug_taken"
        await ann.delete(f"/tags/{heir.json()['id']}")
        assert (await ann.post(f"/tags/{tag.id}/restore")).status_code == 200

    async def test_a_strangers_deleted_tag_is_not_there(self, ann: Caller, tag: Tag, signed_in: SignIn) -> None:
        bob = await signed_in()
        await ann.delete(f"/tags/{tag.id}")
        refused = await bob.post(f"/tags/{tag.id}/restore")
        assert refused.status_code == 404
        assert refused.json()["code"] == "tag_not_found"
        assert (await ann.get(f"/tags/{tag.id}")).status_code == 404

    async def test_an_administrator_may(self, ann: Caller, tag: Tag, signed_in: SignIn) -> None:
        admin = await signed_in(role=Role.ADMIN)
        await ann.delete(f"/tags/{tag.id}")
        assert (await admin.post(f"/tags/{tag.id}/restore")).status_code == 200
        assert (await ann.get(f"/tags/{tag.id}")).status_code == 200
