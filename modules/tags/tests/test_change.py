"""Changing a tag: a merge patch, by its owner."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from httpx2 import AsyncClient
from uuid_utils.compat import uuid7

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
    return await TagFactory.saved(owner_id=ann.id, name="Urgent", slug="urgent", color="#ff0000")


class TestPatch:
    @pytest.mark.parametrize(
        ("field", "sent", "kept"),
        [
            ("name", " Sofort ", "Sofort"),
            ("slug", "Sofort", "sofort"),
            ("color", "#00FF00", "#00ff00"),
        ],
    )
    async def test_it_changes_what_it_names_and_nothing_else(
        self, ann: Caller, tag: Tag, field: str, sent: str, kept: str
    ) -> None:
        before = (await ann.get(f"/tags/{tag.id}")).json()
        patched = await ann.patch(f"/tags/{tag.id}", json={field: sent})
        assert patched.status_code == 200, patched.text
        after = patched.json()
        assert after[field] == kept
        assert {name for name in after if after[name] != before[name]} == {field, "version", "updated_at"}

    async def test_a_new_name_leaves_the_slug(self, ann: Caller, tag: Tag) -> None:
        """Others may have linked to it."""
        assert (await ann.patch(f"/tags/{tag.id}", json={"name": "Later"})).json()["slug"] == "urgent"

    async def test_the_answer_equals_every_later_read_byte_for_byte(self, ann: Caller, tag: Tag) -> None:
        patched = await ann.patch(f"/tags/{tag.id}", json={"name": "Später 🎉"})
        assert (await ann.get(f"/tags/{tag.id}")).content == patched.content

    async def test_each_raises_the_version_by_one_and_moves_the_time_of_change_on(self, ann: Caller, tag: Tag) -> None:
        documents = [
            (await ann.patch(f"/tags/{tag.id}", json={"name": f"{n}", "color": f"#00000{n}"})).json() for n in range(3)
        ]
        assert [document["version"] for document in documents] == [2, 3, 4]
        times = [datetime.fromisoformat(document["updated_at"]) for document in documents]
        assert times == sorted(set(times))

    @pytest.mark.parametrize(
        "body", [{}, {"name": "Urgent"}, {"name": " Urgent ", "slug": "URGENT", "color": "#FF0000"}]
    )
    async def test_one_that_changes_nothing_changes_nothing(self, ann: Caller, tag: Tag, body: dict[str, str]) -> None:
        before = await ann.get(f"/tags/{tag.id}")
        patched = await ann.patch(f"/tags/{tag.id}", json=body)
        assert patched.status_code == 200
        assert patched.content == before.content

    @pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json"])
    async def test_it_is_a_merge_patch_or_plain_json(self, ann: Caller, tag: Tag, media_type: str) -> None:
        headers = {"Content-Type": media_type}
        patched = await ann.patch(f"/tags/{tag.id}", content=b'{"name": "Later"}', headers=headers)
        assert patched.status_code == 200
        assert patched.json()["name"] == "Later"

    @pytest.mark.parametrize("field", ["name", "slug", "color"])
    @pytest.mark.parametrize("value", [None, "", "x" * 51, "a\0b", 1])
    async def test_it_obeys_the_rules_of_creation_and_null_clears_nothing(
        self, ann: Caller, tag: Tag, field: str, value: object
    ) -> None:
        before = await ann.get(f"/tags/{tag.id}")
        refused = await ann.patch(f"/tags/{tag.id}", json={field: value})
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{field}"]
        assert (await ann.get(f"/tags/{tag.id}")).content == before.content

    @pytest.mark.parametrize("field", ["id", "owner_id", "project_count", "version", "deleted_at", "nonsense"])
    async def test_unknown_fields_are_refused(self, ann: Caller, tag: Tag, field: str) -> None:
        refused = await ann.patch(f"/tags/{tag.id}", json={field: None})
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{field}"]

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"\xff"])
    async def test_a_body_that_is_no_patch_is_refused(self, ann: Caller, tag: Tag, body: bytes) -> None:
        refused = await ann.patch(f"/tags/{tag.id}", content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code in (400, 422)
        assert refused.headers["Content-Type"] == "application/problem+json"

    async def test_a_slug_of_another_of_ones_own_is_taken(self, ann: Caller, tag: Tag) -> None:
        await TagFactory.saved(owner_id=ann.id, slug="later")
        before = await ann.get(f"/tags/{tag.id}")
        refused = await ann.patch(f"/tags/{tag.id}", json={"name": "Later", "slug": "Later"})
        assert refused.status_code == 409
        assert refused.json()["code"] == "slug_taken"
        assert (await ann.get(f"/tags/{tag.id}")).content == before.content

    async def test_a_deleted_one_is_not_there(self, ann: Caller, tag: Tag) -> None:
        await ann.delete(f"/tags/{tag.id}")
        assert (await ann.patch(f"/tags/{tag.id}", json={"name": "Later"})).status_code == 404


class TestWhoMay:
    async def test_an_administrator_may(self, ann: Caller, tag: Tag, signed_in: SignIn) -> None:
        admin = await signed_in(role=Role.ADMIN)
        assert (await admin.patch(f"/tags/{tag.id}", json={"name": "Later"})).status_code == 200
        assert (await ann.get(f"/tags/{tag.id}")).json()["name"] == "Later"

    @pytest.mark.parametrize(("method", "action"), [("PATCH", ""), ("DELETE", ""), ("POST", "/restore")])
    async def test_to_a_stranger_it_is_like_one_that_never_was(
        self, ann: Caller, signed_in: SignIn, method: str, action: str
    ) -> None:
        bob, id = await signed_in(), uuid7()
        body = {"name": "Mine"} if method == "PATCH" else None
        request: dict[str, Any] = {"json": body, "headers": {"X-Request-ID": "same"}}
        before = await bob.request(method, f"/tags/{id}{action}", **request)
        await TagFactory.saved(id=id, owner_id=ann.id, name="Hers")
        after = await bob.request(method, f"/tags/{id}{action}", **request)
        assert before.status_code == 404
        assert before.json()["code"] == "tag_not_found"
        assert after.content == before.content
        assert after.headers == before.headers
        assert (await ann.get(f"/tags/{id}")).json()["name"] == "Hers"

    @pytest.mark.parametrize(("method", "action"), [("PATCH", ""), ("DELETE", ""), ("POST", "/restore")])
    async def test_nobody_may_without_credentials(
        self, client: AsyncClient, tag: Tag, method: str, action: str
    ) -> None:
        refused = await client.request(method, f"/tags/{tag.id}{action}", json={})
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
