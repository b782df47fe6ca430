"""Who changed what: the history of a row, and that no answer tells a secret."""

from datetime import datetime, timedelta
from typing import Any

from tests.conformance.faces import ROW_WRITES
from tests.conformance.promises import Promises
from tests.conformance.requests import done, items, parameters, refused, walk
from tests.conformance.tried import each, needs

ACTIONS = {"change": "changed", "delete": "deleted", "restore": "restored"}
HUSH = "hush-hush-0123456789"


class Histories(Promises):
    """`GET …/history`, and secrets."""

    async def history(self, row: Any, /, **params: Any) -> list[dict[str, Any]]:
        return await walk(self.keeper, self.path(row, "/history"), **params)

    @each("verb", lambda c: c.face.verbs(*ROW_WRITES) if "history" in c.face.routes else [])
    async def test_a_change_is_told_with_who_made_it_and_what_it_changed(self, verb: str):
        """The newest first, with the columns before and after, and in the document's spelling
        (docs/guide/changing.md).
        """
        row = await self.deleted() if verb == "restore" else await self.saved()
        before = [] if verb == "restore" else await self.history(row)
        done(await (await self.write(verb, row)).by(self.keeper))
        found = await self.history(row)
        newest = found[0]
        assert (newest["action"], newest["part"]) == (ACTIONS[verb], None)
        assert newest["actor_id"] == str(self.keeper.id)
        assert datetime.fromisoformat(newest["at"]).utcoffset() == timedelta(0)
        assert newest["after"]["version"] == newest["before"]["version"] + 1
        assert newest["before"].keys() == newest["after"].keys()
        assert all(newest["before"][name] != newest["after"][name] for name in newest["after"])
        if verb == "change":
            assert found[1:] == before, "What was told before stays."
            document = await self.document(row)
            shown = newest["after"].keys() & document.keys()
            assert {name: newest["after"][name] for name in shown} == {name: document[name] for name in shown}

    @needs("create", "history", if_=lambda c: not c.face.is_public("create"))
    async def test_a_history_begins_with_the_creation(self):
        """By whom, and with what; nothing was there before."""
        made = done(await self.keeper.post(self.face.path, json=self.body())).json()
        entries = [entry for entry in await self.history(made) if entry["part"] is None]
        assert [(entry["action"], entry["before"]) for entry in entries] == [("created", None)]
        assert entries[0]["actor_id"] == str(self.keeper.id)
        shown = entries[0]["after"].keys() & made.keys()
        assert {name: entries[0]["after"][name] for name in shown} == {name: made[name] for name in shown}

    @needs("change", "history")
    async def test_what_is_refused_or_tried_is_in_no_history(self):
        """A dry run, a stale precondition and a patch that changes nothing leave no entry."""
        before, write = await self.history(self.row), await self.write("change", self.row)
        done(await write.by(self.keeper, dry_run=True))
        refused(await write.by(self.keeper, If_Match='"99-x"'), 412, "version_mismatch")
        done(await self.keeper.patch(self.path(self.row), json={}))
        assert await self.history(self.row) == before

    @needs("change", "history")
    async def test_a_history_comes_in_pages(self):
        """That neither skip nor repeat an entry; it can be counted, and narrowed."""
        for _ in range(3):
            row = await self.found(self.row.id)
            done(await self.keeper.patch(self.path(row), json=self.patch(row)))
        whole = await self.history(self.row, limit=100)
        assert await self.history(self.row, limit=1) == await self.history(self.row, limit=2) == whole
        assert [entry["id"] for entry in whole] == sorted((entry["id"] for entry in whole), reverse=True)
        path = self.path(self.row, "/history")
        assert (await self.keeper.get(path, params={"count": "exact"})).json()["count"] == len(whole)
        for action in ("changed", "created"):
            found = items(await self.keeper.get(path, params={"action": action}))
            assert found == [entry for entry in whole if entry["action"] == action]
        assert parameters(await self.keeper.get(path, params={"action": "nonsense"})) == ["action"]

    @needs("change", "history")
    async def test_a_history_is_that_of_the_one_row(self):
        """Not of its neighbours; and its cursors are good for no other row."""
        other = await self.saved()
        before = await self.history(other)
        done(await (await self.write("change", self.row)).by(self.keeper))
        assert await self.history(other) == before
        first = await self.keeper.get(self.path(self.row, "/history"), params={"limit": 1})
        cursor = {"cursor": first.json()["next_cursor"]}
        refused(await self.keeper.get(self.path(other, "/history"), params=cursor), 400, "invalid_cursor")

    @each("secret", lambda c: [column.name for column in c.face.secrets])
    async def test_a_secret_is_in_no_answer(self, secret: str):
        """Neither in a document, nor a list, nor a history, nor an answer to a change; and it is no filter or sort."""
        columns: dict[str, Any] = {secret: HUSH}
        row = await self.saved(**columns)
        admin, answers = await self.admin(), []
        for caller in (self.keeper, admin):
            answers += [await caller.get(self.path(row)), await caller.get(self.face.path)]
            answers += [await caller.get(self.path(row, "/history"))]
        answers += [await admin.get("/journal", params={"limit": 100})]
        for verb in self.face.verbs(*ROW_WRITES):
            answers.append(await (await self.write(verb, row)).by(self.keeper))
            answers += [await self.keeper.get(self.path(row, "/history"))]
        answers += [await self.keeper.get(self.face.path, params={"deleted": "include"})]
        for answer in answers:
            assert HUSH not in answer.text, f"{answer.request.method} {answer.request.url.path} tells {secret}."
            assert f'"{secret}"' not in answer.text, (
                f"{answer.request.method} {answer.request.url.path} names {secret}."
            )
        for params in ({secret: HUSH}, {"sort": secret}, {"fields": secret}):
            assert parameters(await self.keeper.get(self.face.path, params=params)) == [*params]
