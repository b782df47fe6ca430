"""Reading tags one by one and in pages."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from httpx2 import AsyncClient, Response
from uuid_utils.compat import uuid7

from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import Role
from tests.callers import Caller

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


async def tags_of(owner: Caller, count: int) -> list[Tag]:
    """So many tags of an owner, the newest first."""
    times = [NOON - timedelta(minutes=n) for n in range(count)]
    return [await TagFactory.saved(owner_id=owner.id, created_at=time) for time in times]


def ids(page: Response) -> list[UUID]:
    assert page.status_code == 200, page.text
    return [UUID(item["id"]) for item in page.json()["items"]]


class TestGet:
    async def test_the_owner_reads_every_field(self, ann: Caller) -> None:
        tag = await TagFactory.saved(
            owner_id=ann.id, name="Urgent", slug="now", color="#ff0000", created_at=NOON, updated_at=NOON, version=7
        )
        read = await ann.get(f"/tags/{tag.id}")
        assert read.status_code == 200
        assert read.json() == {
            "id": str(tag.id),
            "owner_id": str(ann.id),
            "name": "Urgent",
            "slug": "now",
            "color": "#ff0000",
            "project_count": 0,
            "created_at": "2026-01-01T12:00:00+00:00",
            "updated_at": "2026-01-01T12:00:00+00:00",
            "version": 7,
        }

    async def test_an_administrator_reads_any(self, ann: Caller, signed_in: SignIn) -> None:
        admin = await signed_in(role=Role.ADMIN)
        tag = await TagFactory.saved(owner_id=ann.id)
        assert (await admin.get(f"/tags/{tag.id}")).content == (await ann.get(f"/tags/{tag.id}")).content

    async def test_a_strangers_tag_is_like_one_that_never_was(self, ann: Caller, bob: Caller) -> None:
        """Byte for byte: the same path is asked for before the tag exists and after."""
        id = uuid7()
        before = await bob.get(f"/tags/{id}", headers={"X-Request-ID": "same"})
        await TagFactory.saved(id=id, owner_id=ann.id)
        after = await bob.get(f"/tags/{id}", headers={"X-Request-ID": "same"})
        assert before.status_code == after.status_code == 404
        assert before.json()["code"] == "tag_not_found"
        assert after.content == before.content
        assert after.headers == before.headers

    async def test_a_deleted_tag_is_like_one_that_never_was(self, ann: Caller) -> None:
        id = uuid7()
        before = await ann.get(f"/tags/{id}", headers={"X-Request-ID": "same"})
        await TagFactory.saved(id=id, owner_id=ann.id, deleted_at=NOON)
        assert (await ann.get(f"/tags/{id}", headers={"X-Request-ID": "same"})).content == before.content

    async def test_an_id_that_is_none_is_refused(self, ann: Caller) -> None:
        refused = await ann.get("/tags/urgent")
        assert refused.status_code == 422
        assert [error["parameter"] for error in refused.json()["errors"]] == ["tag_id"]

    @pytest.mark.parametrize("path", ["/tags", f"/tags/{UUID(int=7)}"])
    async def test_nobody_reads_without_credentials(self, client: AsyncClient, path: str) -> None:
        refused = await client.get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")


class TestList:
    async def test_it_shows_ones_own_newest_first(self, ann: Caller, bob: Caller) -> None:
        tags = await tags_of(ann, 3)
        await tags_of(bob, 2)
        assert ids(await ann.get("/tags")) == [tag.id for tag in tags]

    async def test_its_items_are_the_documents_of_single_reads(self, ann: Caller) -> None:
        tag = await TagFactory.saved(owner_id=ann.id, name="Grüße 🎉")
        document = (await ann.get(f"/tags/{tag.id}")).content
        assert (await ann.get("/tags")).content == b'{"items":[' + document + b'],"next_cursor":null}'

    async def test_it_may_be_empty(self, ann: Caller) -> None:
        page = await ann.get("/tags")
        assert page.json() == {"items": [], "next_cursor": None}
        assert "Link" not in page.headers

    async def test_it_leaves_out_deleted_ones(self, ann: Caller) -> None:
        await TagFactory.saved(owner_id=ann.id, deleted_at=NOON)
        assert ids(await ann.get("/tags")) == []

    async def test_an_administrators_list_is_their_own(self, ann: Caller, signed_in: SignIn) -> None:
        admin = await signed_in(role=Role.ADMIN)
        await tags_of(ann, 1)
        own = await tags_of(admin, 1)
        assert ids(await admin.get("/tags")) == [own[0].id]


class TestPages:
    async def test_they_lead_to_the_end_without_repeats_or_gaps(self, ann: Caller) -> None:
        tags = await tags_of(ann, 7)
        found: list[UUID] = []
        sizes = []
        parameters = {"limit": "3"}
        while True:
            page = await ann.get("/tags", params=parameters)
            found += ids(page)
            sizes.append(len(ids(page)))
            if page.json()["next_cursor"] is None:
                break
            parameters["cursor"] = page.json()["next_cursor"]
        assert found == [tag.id for tag in tags]
        assert sizes == [3, 3, 1]

    async def test_rows_of_the_same_moment_are_neither_skipped_nor_repeated(self, ann: Caller) -> None:
        tags = [await TagFactory.saved(owner_id=ann.id, created_at=NOON) for _ in range(5)]
        page = await ann.get("/tags", params={"limit": 2})
        found = ids(page)
        while link := page.links.get("next"):
            page = await ann.get(f"http://test{link['url']}")
            found += ids(page)
        assert found == [tag.id for tag in reversed(tags)]

    async def test_the_link_keeps_the_limit_and_leads_where_the_cursor_does(self, ann: Caller) -> None:
        tags = await tags_of(ann, 5)
        first = await ann.get("/tags", params={"limit": 2})
        assert first.headers["Link"].startswith("</api/v1/tags?")
        second = await ann.get(f"http://test{first.links['next']['url']}")
        assert ids(second) == [tags[2].id, tags[3].id]
        assert (
            second.content
            == (await ann.get("/tags", params={"limit": 2, "cursor": first.json()["next_cursor"]})).content
        )

    async def test_the_last_one_that_is_just_full_has_no_next(self, ann: Caller) -> None:
        await tags_of(ann, 2)
        page = await ann.get("/tags", params={"limit": 2})
        assert page.json()["next_cursor"] is None
        assert "Link" not in page.headers

    async def test_what_is_made_meanwhile_does_not_shift_them(self, ann: Caller) -> None:
        tags = await tags_of(ann, 4)
        first = await ann.get("/tags", params={"limit": 2})
        await TagFactory.saved(owner_id=ann.id, created_at=NOON + timedelta(days=1))
        second = await ann.get("/tags", params={"limit": 2, "cursor": first.json()["next_cursor"]})
        assert ids(second) == [tag.id for tag in tags[2:]]

    async def test_a_page_has_20_unless_told(self, ann: Caller) -> None:
        await tags_of(ann, 21)
        assert len(ids(await ann.get("/tags"))) == 20

    @pytest.mark.parametrize("limit", ["100", "101", str(10**30)])
    async def test_a_page_has_100_at_most(self, ann: Caller, limit: str) -> None:
        await tags_of(ann, 101)
        page = await ann.get("/tags", params={"limit": limit})
        assert len(ids(page)) == 100
        assert page.json()["next_cursor"]

    @pytest.mark.parametrize("limit", ["0", "-1", str(-(10**30)), "abc", "", "1.5"])
    async def test_a_limit_below_one_or_that_is_no_number_is_refused(self, ann: Caller, limit: str) -> None:
        refused = await ann.get("/tags", params={"limit": limit})
        assert refused.status_code == 422
        assert [error["parameter"] for error in refused.json()["errors"]] == ["limit"]

    async def test_unknown_parameters_are_refused(self, ann: Caller) -> None:
        refused = await ann.get("/tags", params={"page": 2})
        assert refused.status_code == 422
        assert [error["parameter"] for error in refused.json()["errors"]] == ["page"]


class TestCursor:
    @pytest.fixture
    async def cursor(self, ann: Caller) -> str:
        await tags_of(ann, 3)
        return str((await ann.get("/tags", params={"limit": 1})).json()["next_cursor"])

    @staticmethod
    async def refuses(caller: Caller, cursor: str) -> bool:
        answer = await caller.get("/tags", params={"cursor": cursor})
        return answer.status_code == 400 and answer.json()["code"] == "invalid_cursor"

    async def test_its_own_caller_may_use_it_with_another_limit(self, ann: Caller, cursor: str) -> None:
        assert len(ids(await ann.get("/tags", params={"cursor": cursor, "limit": 2}))) == 2

    async def test_a_changed_one_is_refused(self, ann: Caller, cursor: str) -> None:
        for place in (0, len(cursor) // 2, len(cursor) - 5):
            changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
            assert await self.refuses(ann, changed), place

    async def test_a_shortened_or_lengthened_one_is_refused(self, ann: Caller, cursor: str) -> None:
        assert await self.refuses(ann, cursor[:-4])
        assert await self.refuses(ann, cursor + "AAAA")

    @pytest.mark.parametrize("cursor", ["", "x", "null", "é", "🎉", "AAAA", "=" * 8, "../../etc", "A" * 900])
    async def test_one_that_never_was_is_refused(self, ann: Caller, cursor: str) -> None:
        assert await self.refuses(ann, cursor)

    async def test_that_of_another_caller_is_refused(self, bob: Caller, cursor: str) -> None:
        await tags_of(bob, 2)
        assert await self.refuses(bob, cursor)

    async def test_that_of_another_list_is_refused(self, signed_in: SignIn) -> None:
        admin = await signed_in(role=Role.ADMIN)
        await signed_in()
        users = (await admin.get("/users", params={"limit": 1})).json()
        assert await self.refuses(admin, users["next_cursor"])
