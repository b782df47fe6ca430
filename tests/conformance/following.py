"""The change feed: all that changed for a caller, in the order of commits (docs/guide/following-changes.md)."""

from datetime import datetime, timedelta
from typing import Any

from tests.conformance.faces import WRITES
from tests.conformance.promises import Promises
from tests.conformance.requests import done, executed, items
from tests.conformance.tried import committed, each, needs

TOLD = {"create": "created", "change": "changed", "delete": "deleted", "restore": "restored"}


async def latest(caller: Any) -> str:
    """A cursor of now."""
    return str(done(await caller.get("/changes", params={"after": "latest"})).json()["next_cursor"])


async def follow(caller: Any, cursor: str, limit: int = 100) -> tuple[list[dict[str, Any]], str]:
    """What there is after the cursor, and the cursor after that."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await caller.get("/changes", params={"after": cursor, "limit": limit})
        found += items(answer)
        cursor = answer.json()["next_cursor"]
        if not answer.json()["has_more"]:
            return found, cursor


class Following(Promises):
    """`GET /changes`, over a database that really commits."""

    async def told(self, caller: Any, cursor: str, id: str) -> list[dict[str, Any]]:
        """What the caller is told of a row itself."""
        found, _ = await follow(caller, cursor)
        return [
            item for item in found if (item["resource"], item["id"], item["part"]) == (self.face.table.name, id, None)
        ]

    @committed
    @each("verb", lambda c: c.face.verbs(*WRITES))
    async def test_the_feed_tells_of_each_change_once(self, verb: str):
        """What happened to what, the version that came of it, and by whom; a deletion as well as all else."""
        row = await self.deleted() if verb == "restore" else self.row
        write, start = await self.write(verb, row), await latest(self.keeper)
        answer = done(await write.by(self.keeper))
        id = answer.json()["id"] if verb == "create" else str(row.id)
        found = await self.told(self.keeper, start, id)
        assert [item["action"] for item in found] == [TOLD[verb]], "Each change is told, and once."
        told = found[0]
        assert datetime.fromisoformat(told["at"]).utcoffset() == timedelta(0)
        if not self.face.is_public(verb):
            assert told["actor_id"] == str(self.keeper.id)
        if answer.content:
            assert told["version"] == answer.json()["version"]
        _, end = await follow(self.keeper, start)
        assert await self.told(self.keeper, end, id) == [], "It is told once."

    @committed
    @needs("change", "delete", "restore")
    async def test_the_feed_collapses_nothing_and_keeps_the_order(self):
        """Each change has an item, whatever the size of a page."""
        start, id = await latest(self.keeper), str(self.row.id)
        for verb in ("change", "delete", "restore"):
            done(await (await self.write(verb, self.row)).by(self.keeper))
        whole, _ = await follow(self.keeper, start)
        told = [(item["action"], item["version"]) for item in whole if item["id"] == id and item["part"] is None]
        assert [action for action, _ in told] == ["changed", "deleted", "restored"]
        assert [version for _, version in told] == [2, 3, 4]
        for limit in (1, 2):
            assert (await follow(self.keeper, start, limit))[0] == whole

    @committed
    @each("verb", lambda c: [v for v in c.face.verbs(*WRITES) if not c.face.is_public(v)])
    async def test_the_feed_tells_nothing_of_what_was_not_kept(self, verb: str):
        """A dry run, a refusal, a batch that failed."""
        write = await self.write(verb)
        start = await latest(self.keeper)
        done(await write.by(self.keeper, dry_run=True))
        operations = [write.in_batch(), {"method": "DELETE", "path": f"{self.face.path}/{self.keeper.session_id}"}]
        assert (await self.keeper.post("/batch", json={"operations": operations})).is_error
        assert (await follow(self.keeper, start))[0] == []

    @committed
    @each("verb", lambda c: c.face.verbs(*WRITES))
    async def test_the_feed_tells_an_outsider_nothing(self, verb: str):
        """Nobody learns of what they do not see; an administrator, of what stands in their list alone."""
        write = await self.write(verb)
        others = [await self.outsider()]
        if not self.face.is_administered("list"):
            others.append(await self.admin())
        starts = [await latest(other) for other in others]
        answer = done(await write.by(self.keeper))
        id = (
            answer.json()["id"] if verb == "create" else write.path.removeprefix(f"{self.face.path}/").partition("/")[0]
        )
        for other, start in zip(others, starts, strict=True):
            found, _ = await follow(other, start)
            assert [item for item in found if item["id"] == id] == []

    @committed
    @each("role", lambda c: c.roles if {"change", "delete"} <= c.face.routes.keys() else [])
    async def test_the_feed_tells_everyone_who_sees_the_row(self, role: str):
        """Whatever their role, of changes and of the deletion."""
        caller, id = await self.actor(role, self.row), str(self.row.id)
        start = await latest(caller)
        done(await (await self.write("change", self.row)).by(self.keeper))
        assert [item["action"] for item in await self.told(caller, start, id)] == ["changed"]
        if not self.face.is_administered("delete"):  # Whose own account is deleted follows nothing any more.
            done(await (await self.write("delete", self.row)).by(self.keeper))
            assert [item["action"] for item in await self.told(caller, start, id)] == ["changed", "deleted"]

    @committed
    @needs("change")
    async def test_a_poll_is_two_statements(self):
        """One finds out what changed, one tells it, however much that is."""
        start = await latest(self.keeper)
        done(await (await self.write("change", self.row)).by(self.keeper))
        with executed() as statements:
            assert items(await self.keeper.get("/changes", params={"after": start}))
        assert len(statements) == 2
