"""What administrators may rely on of the list of accounts: GET /users."""

import re
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from httpx2 import AsyncClient, Response

from modules.users.models import User
from modules.users.tests.factories import UserFactory
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def admin(signed_in: SignIn) -> Caller:
    return await signed_in(role="admin")


def ids(answer: Response) -> list[str]:
    return [item["id"] for item in answer.json()["items"]]


async def pages(caller: AsyncClient, limit: int) -> AsyncIterator[Response]:
    """Every page, each by the cursor of the one before."""
    params = {"limit": str(limit)}
    while True:
        page = await caller.get("/users", params=params)
        assert page.status_code == 200, page.text
        yield page
        params["cursor"] = page.json()["next_cursor"]
        if params["cursor"] is None:
            return


async def saved(database: RolledBackDatabase, count: int) -> list[User]:
    """Accounts that were all made in the same microsecond."""
    users = UserFactory.build_batch(count)
    async with database.orm() as session:
        session.add_all(users)
    return users


class TestList:
    async def test_is_newest_first(self, admin: Caller) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        newest = await UserFactory.saved(created_at=later + timedelta(microseconds=1))
        oldest = await UserFactory.saved(created_at=later - timedelta(days=365))
        newer = await UserFactory.saved(created_at=later)
        assert ids(await admin.get("/users")) == [str(id) for id in (newest.id, newer.id, admin.id, oldest.id)]

    async def test_holds_the_documents_that_single_reads_answer(self, admin: Caller) -> None:
        ann = await UserFactory.saved()
        page = await admin.get("/users")
        documents = [(await admin.get(f"/users/{id}")).content for id in (ann.id, admin.id)]
        assert page.content == b'{"items":[%b,%b],"next_cursor":null}' % tuple(documents)

    async def test_holds_deactivated_accounts_but_no_deleted_ones(self, admin: Caller) -> None:
        inactive = await UserFactory.saved(is_active=False)
        await UserFactory.saved(deleted_at=datetime.now(UTC))
        assert ids(await admin.get("/users")) == [str(inactive.id), str(admin.id)]

    async def test_no_shared_cache_may_keep_it(self, admin: Caller) -> None:
        assert "private" in (await admin.get("/users")).headers["Cache-Control"]


class TestPages:
    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    async def test_neither_skip_nor_repeat_an_account(
        self, admin: Caller, database: RolledBackDatabase, limit: int
    ) -> None:
        """Not even among those made at the same time."""
        expected = [str(user.id) for user in await saved(database, 5)]
        found = [id async for page in pages(admin, limit) for id in ids(page)]
        assert sorted(found) == sorted([*expected, str(admin.id)])

    async def test_are_the_same_list_at_any_size(self, admin: Caller, database: RolledBackDatabase) -> None:
        now = datetime.now(UTC)
        for number in range(5):
            await UserFactory.saved(created_at=now - timedelta(microseconds=number // 2))
        whole = ids(await admin.get("/users"))
        assert [id async for page in pages(admin, 2) for id in ids(page)] == whole

    async def test_an_account_that_comes_between_moves_none_of_the_others(
        self, admin: Caller, database: RolledBackDatabase
    ) -> None:
        whole = [str(user.id) for user in await saved(database, 4)] + [str(admin.id)]
        first = await admin.get("/users", params={"limit": 2})
        await UserFactory.saved(created_at=datetime.now(UTC) + timedelta(hours=1))
        rest = await admin.get("/users", params={"cursor": first.json()["next_cursor"]})
        assert sorted(ids(first) + ids(rest)) == sorted(whole)

    async def test_go_on_when_the_account_they_ended_with_is_deleted(
        self, admin: Caller, database: RolledBackDatabase
    ) -> None:
        await saved(database, 3)
        whole = ids(await admin.get("/users"))
        first = await admin.get("/users", params={"limit": 2})
        await admin.delete(f"/users/{ids(first)[-1]}")
        rest = await admin.get("/users", params={"cursor": first.json()["next_cursor"]})
        assert ids(rest) == whole[2:]

    async def test_a_link_leads_to_the_next_one(self, admin: Caller, database: RolledBackDatabase) -> None:
        """RFC 8288."""
        await saved(database, 4)
        first = await admin.get("/users", params={"limit": 2})
        link = re.fullmatch(r'<([^>]+)>; rel="next"', first.headers["Link"])
        assert link is not None
        by_link = await admin.get(first.request.url.join(link[1]))
        by_cursor = await admin.get("/users", params={"limit": 2, "cursor": first.json()["next_cursor"]})
        assert by_link.content == by_cursor.content
        assert len(ids(by_link)) == 2

    async def test_the_last_one_leads_nowhere(self, admin: Caller, database: RolledBackDatabase) -> None:
        await saved(database, 3)
        *_, last = [page async for page in pages(admin, 2)]
        assert len(ids(last)) == 2
        assert last.json()["next_cursor"] is None
        assert "Link" not in last.headers


class TestLimit:
    async def test_is_20_unless_given(self, admin: Caller, database: RolledBackDatabase) -> None:
        await saved(database, 20)
        page = await admin.get("/users")
        assert len(ids(page)) == 20
        assert page.json()["next_cursor"] is not None

    @pytest.mark.parametrize("limit", ["100", "101", "1000", "99999999999999999999"])
    async def test_a_larger_one_than_100_is_taken_as_100(
        self, admin: Caller, database: RolledBackDatabase, limit: str
    ) -> None:
        await saved(database, 100)
        page = await admin.get("/users", params={"limit": limit})
        assert page.status_code == 200
        assert len(ids(page)) == 100
        assert page.json()["next_cursor"] is not None

    @pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", "", "%00"])
    async def test_one_that_is_no_number_of_accounts_is_refused(self, admin: Caller, limit: str) -> None:
        answer = await admin.get(f"/users?limit={limit}")
        assert answer.status_code == 422
        assert [error["parameter"] for error in answer.json()["errors"]] == ["limit"]

    async def test_an_unknown_parameter_is_refused(self, admin: Caller) -> None:
        answer = await admin.get("/users", params={"surprise": "1"})
        assert answer.status_code == 422
        assert [error["parameter"] for error in answer.json()["errors"]] == ["surprise"]


class TestCursor:
    @pytest.fixture
    async def cursor(self, admin: Caller) -> str:
        await UserFactory.saved()
        return str((await admin.get("/users", params={"limit": 1})).json()["next_cursor"])

    async def test_of_another_caller_is_refused(self, admin: Caller, cursor: str, signed_in: SignIn) -> None:
        other = await signed_in(role="admin")
        answer = await other.get("/users", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
        assert (await admin.get("/users", params={"cursor": cursor})).status_code == 200

    async def test_is_good_in_every_session_of_the_caller(
        self, admin: Caller, cursor: str, signed_in: SignIn, database: RolledBackDatabase
    ) -> None:
        async with database.orm() as session:
            user = await session.get_one(User, admin.id)
        elsewhere = await signed_in(user)
        assert (await elsewhere.get("/users", params={"cursor": cursor})).status_code == 200

    async def test_a_tampered_one_is_refused_wherever_it_was_changed(self, admin: Caller, cursor: str) -> None:
        for place, character in enumerate(cursor[:-1]):
            tampered = cursor[:place] + ("B" if character == "A" else "A") + cursor[place + 1 :]
            answer = await admin.get("/users", params={"cursor": tampered})
            assert (answer.status_code, answer.json().get("code")) == (400, "invalid_cursor"), place

    @pytest.mark.parametrize("microsecond", [123456, 123450, 123400])
    async def test_not_even_its_last_bits_may_change(self, admin: Caller, microsecond: int) -> None:
        """The length of the position decides how many bits of the last character carry nothing."""
        await UserFactory.saved(created_at=datetime(2100, 1, 1, microsecond=microsecond, tzinfo=UTC))
        cursor = (await admin.get("/users", params={"limit": 1})).json()["next_cursor"]
        for character in set(string.ascii_letters + string.digits + "-_") - {cursor[-1]}:
            answer = await admin.get("/users", params={"cursor": cursor[:-1] + character})
            assert (answer.status_code, answer.json().get("code")) == (400, "invalid_cursor"), character

    async def test_a_part_of_one_is_refused(self, admin: Caller, cursor: str) -> None:
        for part in (cursor[:-1], cursor[1:], cursor[: len(cursor) // 2], cursor + "A"):
            answer = await admin.get("/users", params={"cursor": part})
            assert (answer.status_code, answer.json().get("code")) == (400, "invalid_cursor"), part

    @pytest.mark.parametrize("cursor", ["", "x", "no cursor", "ä", "💡", "AAAAAAAAAAAAAAAAAAAAAA", "====", "\ufffd"])
    async def test_one_made_up_is_refused_and_pointed_at(self, admin: Caller, cursor: str) -> None:
        answer = await admin.get("/users", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
        assert [error["parameter"] for error in answer.json()["errors"]] == ["cursor"]

    @pytest.mark.parametrize("cursor", ["%00", "%ff", "%ed%a0%80", "A" * 5000])
    async def test_not_even_an_impossible_one_is_a_failure_of_ours(self, admin: Caller, cursor: str) -> None:
        assert (await admin.get(f"/users?cursor={cursor}")).status_code in {400, 422}
