"""The change feed: `GET /changes`, on a database that really commits."""

import time
from datetime import datetime, timedelta

import psycopg
import pytest

from shared.auth import Principal
from shared.feed.changes import LATEST, MOST_EXAMINED
from shared.feed.positions import Position, Snapshot
from shared.wire import Statement
from tests.callers import Caller, anonymous
from tests.contract.following import *  # noqa: F403 (its fixtures)
from tests.contract.following import SignIn, changes_of, follow, latest, make, news, share
from tests.contract.reading import refused
from tests.contract.test_plans import executed

ANY_TAG = ("changed", None, None)
"""What comes with the loss of a project: any tag may have been seen through it."""


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


class TestAPoll:
    async def test_tells_what_happened_to_what_and_by_whom(self, ann):
        start = await latest(ann)
        project = (await ann.post("/projects", json={"name": "Relaunch"})).json()
        (told,), _ = await follow(ann, start)
        at = told.pop("at")
        assert told == {
            "resource": "projects",
            "id": project["id"],
            "action": "created",
            "part": None,
            "version": 1,
            "actor_id": str(ann.id),
        }
        assert datetime.fromisoformat(at).utcoffset() == timedelta(0)

    async def test_tells_each_change_once_and_collapses_none(self, ann):
        start = await latest(ann)
        id = await make(ann)
        await ann.patch(f"/projects/{id}", json={"name": "x"})
        found, cursor = await follow(ann, start)
        assert [item["version"] for item in found] == [1, 2]
        await ann.delete(f"/projects/{id}")
        await ann.post(f"/projects/{id}/restore")
        found, cursor = await follow(ann, cursor)
        assert [(item["action"], item["version"]) for item in found] == [("deleted", 3), ("restored", 4)]
        assert (await follow(ann, cursor))[0] == []

    async def test_without_a_cursor_tells_all_that_is_kept(self, ann):
        id = await make(ann)
        found, _ = await follow(ann)
        assert [(item["resource"], item["id"]) for item in found] == [("users", str(ann.id)), ("projects", id)]

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    async def test_of_any_size_tells_the_same(self, ann, limit):
        start = await latest(ann)
        ids = [await make(ann) for _ in range(5)]
        for cursor, before in ((start, []), (None, [str(ann.id)])):
            found, end = await follow(ann, cursor, limit)
            assert [item["id"] for item in found] == before + ids
            assert (await follow(ann, end, limit))[0] == []

    async def test_in_pages_tells_what_comes_meanwhile_after_them(self, ann):
        start = await latest(ann)
        first = await make(ann)
        second = await make(ann)
        page = (await ann.get("/changes", params={"after": start, "limit": 1})).json()
        assert [item["id"] for item in page["items"]] == [first]
        assert page["has_more"] is True
        third = await make(ann)
        page = (await ann.get("/changes", params={"after": page["next_cursor"], "limit": 5})).json()
        assert [item["id"] for item in page["items"]] == [second]
        assert page["has_more"] is False
        found, _ = await follow(ann, page["next_cursor"])
        assert [item["id"] for item in found] == [third]

    async def test_gives_the_same_again_when_asked_again(self, ann):
        """As a client does that lost the answer."""
        start = await latest(ann)
        await make(ann)
        first = await ann.get("/changes", params={"after": start})
        assert (await ann.get("/changes", params={"after": start})).json()["items"] == first.json()["items"]

    async def test_tells_what_is_rolled_back_never(self, ann, url):
        start = await latest(ann)
        assert (await ann.post("/projects?dry_run=true", json={"name": "x"})).status_code == 201
        id = await make(ann)
        with psycopg.connect(url) as operator:
            operator.execute("UPDATE projects SET name = 'never' WHERE id = %s", [id])
            operator.rollback()
        assert await news(ann, start) == [("created", None, id)]

    async def test_waits_for_a_slow_transaction_and_skips_it_not(self, ann, url):
        """It wrote first and committed last."""
        slow, quick = await make(ann), await make(ann)
        start = await latest(ann)
        with psycopg.connect(url) as operator:
            operator.execute("UPDATE projects SET name = 'slow' WHERE id = %s", [slow])
            await ann.patch(f"/projects/{quick}", json={"name": "quick"})
            found, cursor = await follow(ann, start)
            assert [item["id"] for item in found] == [quick]
            operator.commit()
        (told,), _ = await follow(ann, cursor)
        assert (told["id"], told["actor_id"]) == (slow, None)

    async def test_is_one_statement(self, ann):
        start = await latest(ann)
        with executed() as statements:
            await ann.get("/changes", params={"after": start})
        assert len(statements) == 1

    async def test_is_kept_by_no_cache(self, ann):
        answer = await ann.get("/changes")
        assert answer.headers["Cache-Control"] == "no-store"


class TestWhoIsTold:
    async def test_nobody_of_what_they_do_not_see(self, ann, bob):
        start = await latest(bob)
        await make(ann)
        await make(ann, path="/tags")
        assert await news(bob, start) == []

    async def test_members_of_what_is_shared_with_them(self, ann, bob):
        id = await make(ann)
        await share(ann, id, bob)
        start = await latest(bob)
        await ann.patch(f"/projects/{id}", json={"name": "x"})
        await ann.delete(f"/projects/{id}")
        assert await news(bob, start) == [("changed", None, id), ("deleted", None, id)]

    async def test_of_a_tag_who_sees_something_that_carries_it(self, ann, bob):
        id, tag = await make(ann), await make(ann, path="/tags")
        await share(ann, id, bob)
        await ann.put(f"/projects/{id}/tags/{tag}")
        start = await latest(bob)
        await ann.patch(f"/tags/{tag}", json={"name": "New"})
        assert await news(bob, start) == [("changed", None, tag), ("changed", None, id)]

    async def test_of_parts_who_sees_the_whole(self, ann, bob):
        id, tag = await make(ann), await make(ann, path="/tags")
        start = await latest(ann)
        await share(ann, id, bob)
        await ann.put(f"/projects/{id}/tags/{tag}")
        found, _ = await follow(ann, start)
        told = [(item["action"], item["part"], item["version"]) for item in found if item["id"] == id]
        assert sorted(told, key=str) == sorted(
            [
                ("created", "project_members", None),
                ("changed", None, 2),
                ("created", "project_tags", None),
                ("changed", None, 3),
            ],
            key=str,
        )

    async def test_of_their_own_account_everyone(self, ann, bob):
        start = await latest(ann)
        await ann.patch("/users/me", json={"full_name": "Anna"})
        await bob.patch("/users/me", json={"full_name": "Robert"})
        assert await news(ann, start) == [("changed", None, str(ann.id))]

    async def test_administrators_of_what_stands_in_their_lists(self, ann, bob, signed_in):
        """All accounts, and of the rest their own world."""
        admin = await signed_in(role="admin")
        shared = await make(ann)
        await share(ann, shared, admin)
        start = await latest(admin)
        await make(ann)
        await make(ann, path="/tags")
        own = await make(admin)
        await ann.patch(f"/projects/{shared}", json={"name": "x"})
        await bob.patch("/users/me", json={"full_name": "Robert"})
        assert await news(admin, start) == [
            ("created", None, own),
            ("changed", None, shared),
            ("changed", None, str(bob.id)),
        ]

    async def test_nobody_without_a_session(self, ann, served):
        async with anonymous(served) as client:
            assert (await client.get("/changes")).status_code == 401
        cursor = await latest(ann)
        await ann.delete("/users/me")
        for after in (cursor, LATEST):
            assert (await ann.get("/changes", params={"after": after})).status_code == 401


class TestWhoComesAndGoes:
    async def test_one_who_is_added_learns_of_the_project(self, ann, bob):
        id = await make(ann)
        start = await latest(bob)
        await share(ann, id, bob)
        assert ("created", None, id) in await news(bob, start)

    async def test_one_who_is_removed_is_told_that_it_is_gone(self, ann, bob):
        id = await make(ann)
        await share(ann, id, bob)
        start = await latest(bob)
        await ann.patch(f"/projects/{id}", json={"name": "secret"})
        await ann.delete(f"/projects/{id}/members/{bob.id}")
        await ann.patch(f"/projects/{id}", json={"name": "more secret"})
        assert await news(bob, start) == [("deleted", None, id), ANY_TAG]
        found, _ = await follow(bob, start)
        assert found[0]["version"] is None

    async def test_one_who_is_removed_and_added_again_has_it(self, ann, bob):
        id = await make(ann)
        await share(ann, id, bob)
        start = await latest(bob)
        await ann.delete(f"/projects/{id}/members/{bob.id}")
        await share(ann, id, bob)
        told = await news(bob, start)
        assert ("deleted", None, id) not in told
        assert ("created", None, id) in told

    async def test_a_change_of_role_takes_nothing_away(self, ann, bob):
        id = await make(ann)
        await share(ann, id, bob)
        start = await latest(bob)
        await share(ann, id, bob, "editor")
        assert ("changed", "project_members", id) in await news(bob, start)

    async def test_an_owner_who_leaves_is_told_that_it_is_gone_and_the_heir_is_not(self, ann, bob):
        id = await make(ann)
        await share(ann, id, bob, "owner")
        starts = await latest(ann), await latest(bob)
        assert (await ann.delete(f"/projects/{id}/members/{ann.id}")).status_code == 204
        assert await news(ann, starts[0]) == [("deleted", None, id), ANY_TAG]
        told = await news(bob, starts[1])
        assert ("changed", None, id) in told
        assert ("deleted", None, id) not in told

    async def test_one_who_was_away_until_the_purge_is_told_that_it_is_gone(self, ann, bob, url):
        """The deletion itself can be shown to nobody any more: the row is not there."""
        id = await make(ann)
        await share(ann, id, bob)
        starts = await latest(ann), await latest(bob)
        await ann.delete(f"/projects/{id}")
        with psycopg.connect(url) as operator:
            operator.execute("DELETE FROM project_members WHERE project_id = %s", [id])
            operator.execute("DELETE FROM invitations WHERE project_id = %s", [id])
            operator.execute("DELETE FROM projects WHERE id = %s", [id])
        for caller, start in zip((ann, bob), starts, strict=True):
            assert await news(caller, start) == [("deleted", None, id), ANY_TAG]

    async def test_an_administrator_who_leaves_is_told_too(self, ann, signed_in):
        """It can still be reached by its id; but it stands in no list of theirs."""
        admin = await signed_in(role="admin")
        id = await make(ann)
        await share(ann, id, admin)
        start = await latest(admin)
        await ann.delete(f"/projects/{id}/members/{admin.id}")
        assert await news(admin, start) == [("deleted", None, id), ANY_TAG]


async def changed(caller: Caller, real, **values):
    """A cursor of now, but for these values."""
    cursors, context = real.kernel.cursors(), repr(("changes", caller.id))
    position = Position.of(*cursors.read(await latest(caller), context))
    return cursors.sign(position._replace(**values).to_json(), context)


class TestACursor:
    @pytest.mark.parametrize(
        "change", [lambda c: c[:-1], lambda c: c + "A", lambda c: "x", lambda c: "", lambda c: "é"]
    )
    async def test_that_was_tampered_with_is_refused(self, ann, change):
        answer = await ann.get("/changes", params={"after": change(await latest(ann))})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
        assert answer.json()["errors"][0]["parameter"] == "after"

    async def test_of_somebody_else_or_of_a_list_is_refused(self, ann, bob):
        for _ in range(2):
            await make(ann)
        of_a_list = (await ann.get("/projects", params={"limit": 1})).json()["next_cursor"]
        for cursor in (await latest(bob), of_a_list):
            assert (await ann.get("/changes", params={"after": cursor})).status_code == 400

    async def test_older_than_the_journal_is_refused(self, ann, real):
        days = real.kernel.settings().journal_days
        for age, status in ((days + 1, 410), (days - 1, 200)):
            snapshot = Snapshot("10:10:", int(time.time()) - age * 86_400)
            answer = await ann.get("/changes", params={"after": await changed(ann, real, since=snapshot)})
            assert answer.status_code == status
        assert answer.status_code == 200

    async def test_that_has_expired_is_told_how_to_go_on(self, ann, real):
        cursor = real.kernel.cursors().sign(Position(Snapshot("10:10:", 0)).to_json(), repr(("changes", ann.id)))
        problem = (await ann.get("/changes", params={"after": cursor})).json()
        assert problem["code"] == "cursor_expired"
        assert "latest" in problem["detail"]

    async def test_of_another_cluster_is_refused(self, ann, real):
        """One from before a dump and restore names transactions that are yet to come."""
        snapshot = Snapshot("9000000000:9000000000:", int(time.time()))
        for change in ({"since": snapshot}, {"since": None, "until": snapshot, "last": 5}):
            answer = await ann.get("/changes", params={"after": await changed(ann, real, **change)})
            assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")

    @pytest.mark.parametrize("change", [{"numbering": 5}, {"numbering": None}])
    async def test_of_another_numbering_of_transactions_is_refused(self, ann, real, change):
        """After a failover or a restore, or from a release that did not write it: other transactions have the numbers
        that it knows.
        """
        assert (await ann.get("/changes", params={"after": await changed(ann, real)})).status_code == 200
        answer = await ann.get("/changes", params={"after": await changed(ann, real, **change)})
        assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")

    async def test_of_a_restoration_that_the_journal_no_longer_tells_is_good(self, ann, real):
        """The journal forgets it when no cursor can be older."""
        answer = await ann.get("/changes", params={"after": await changed(ann, real, restoration="of long ago")})
        assert answer.status_code == 200

    async def test_of_another_role_is_refused(self, ann, url):
        """An administrator has other lists, and other counts in them."""
        with psycopg.connect(url, autocommit=True) as operator:
            for role in ("admin", "user"):
                cursor = await latest(ann)
                page = (await ann.get("/changes", params={"after": cursor})).json()
                operator.execute("UPDATE users SET role = %s WHERE id = %s", [role, ann.id])
                for after in (cursor, page["next_cursor"]):
                    answer = await ann.get("/changes", params={"after": after})
                    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")

    async def test_of_a_poll_that_told_nothing_is_one_to_follow_with(self, ann, bob):
        _, cursor = await follow(ann, await latest(ann))
        await make(bob)
        found, cursor = await follow(ann, cursor)
        assert found == []
        id = await make(ann)
        assert await news(ann, cursor) == [("created", None, id)]


class TestParameters:
    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=x", "limit=1&limit=2", "after=a&after=b", "since=x", "after=%00"]
    )
    async def test_that_are_wrong_or_unknown_are_refused(self, ann, query):
        refused(await ann.get(f"/changes?{query}"), query.partition("=")[0])

    async def test_are_told_by_the_openapi_document(self, served):
        operation = served.openapi()["paths"]["/api/v1/changes"]["get"]
        assert {parameter["name"] for parameter in operation["parameters"]} == {"after", "limit"}


class TestWhatAPollReads:
    """PostgreSQL prepares all of a plan: that of fifty modules takes it ten times as long as that of three."""

    @pytest.fixture
    def asked(self, real, monkeypatch) -> list[Statement]:
        asked = []
        read = real.kernel.database().read

        async def noted(statement, *values, **options):
            asked.append(statement)
            return await read(statement, *values, **options)

        monkeypatch.setattr(real.kernel.database(), "read", noted)
        return asked

    async def test_is_one_statement_while_nothing_is_new(self, ann, real, asked):
        changes = changes_of(real.kernel, MOST_EXAMINED)
        await changes.page(Principal(ann.id, ann.session_id), await latest(ann), 100)
        assert len(asked) == 1 + 1  # Of `latest` itself.

    async def test_is_what_the_rules_of_that_say_which_changed(self, ann, real, asked, monkeypatch):
        changes = changes_of(real.kernel, MOST_EXAMINED)
        principal, start = Principal(ann.id, ann.session_id), await latest(ann)
        await make(ann)
        few = await changes.page(principal, start, 100)
        monkeypatch.setattr("shared.feed.changes.FEW", 0)
        assert (await changes.page(principal, start, 100)).items == few.items
        _, _, of_few, _, of_all = asked[-5:]
        assert len(of_few.text) < len(of_all.text) * 0.8


class TestManyChangesOfOthers:
    """A poll looks at so many entries at the most, whosever they are."""

    @pytest.mark.parametrize("from_the_beginning", [True, False])
    async def test_are_passed_over_poll_by_poll(self, ann, bob, real, from_the_beginning):
        changes = changes_of(real.kernel, most_examined=3)
        start = None if from_the_beginning else await latest(ann)
        principal = Principal(ann.id, ann.session_id)
        ids = []
        for _ in range(3):
            for _ in range(5):
                await make(bob)
            ids.append(await make(ann))
        found, polls, more = b"", 0, True
        while more:
            page = await changes.page(principal, start, 100)
            found += b"".join(page.items)
            start, more = page.next_cursor, page.has_more
            polls += 1
        assert polls >= 6
        assert [found.count(id.encode()) for id in ids] == [1, 1, 1]
