"""Preconditions: a change is made to the version that the client has seen, or not at all (docs/guide/changing.md)."""

from tests.conformance.promises import Promises
from tests.conformance.requests import contents, done, ids, refused
from tests.conformance.tried import each, needs, row_writes


class Preconditions(Promises):
    """`If-Match` and `If-None-Match` on every change of a row."""

    async def etag(self, row: object, verb: str) -> str:
        """The tag by which the row is known: from a read, or for a deleted one from its version in the trash."""
        if verb != "restore":
            return str((await self.keeper.get(self.path(row))).headers["ETag"])
        return f'"{(await self.found(row.id)).version}-"'  # type: ignore[attr-defined]

    @each("verb", row_writes)
    async def test_a_stale_tag_stops_the_change(self, verb: str):
        """412 `version_mismatch`, with the tag of now; nothing is changed. So for weak tags, and for what is no tag."""
        row = await self.deleted() if verb == "restore" else await self.saved()
        write, before = await self.write(verb, row), await contents(self.stage.database)
        etag = await self.etag(row, verb)
        for given in ('"99-x"', f"W/{etag}", '"99-x", "98-x"', etag.strip('"'), '"*"', "", '"-1-x"', '"' * 500):
            answer = await write.by(self.keeper, If_Match=given)
            refused(answer, 412, "version_mismatch")
            assert answer.headers["ETag"].partition("-")[0] == etag.partition("-")[0]
        assert await contents(self.stage.database) == before, "What is refused changes nothing."

    @each("verb", row_writes)
    async def test_a_tag_that_matches_lets_the_change_through(self, verb: str):
        """The present tag, alone or among others, or `*`."""
        for form in ("{}", '"99-x", {}', "*"):
            row = await self.deleted() if verb == "restore" else await self.saved()
            done(await (await self.write(verb, row)).by(self.keeper, If_Match=form.format(await self.etag(row, verb))))

    @each("verb", lambda c: row_writes(c) if "change" in c.face.routes else [])
    async def test_an_update_is_never_lost(self, verb: str):
        """Of two clients that have seen the same version, the second one is stopped."""
        row = self.row
        etag = await self.etag(row, verb)
        if verb == "restore":
            row = await self.deleted()
            etag = await self.etag(row, verb)
            done(await (await self.write("restore", row)).by(self.keeper))
        else:
            done(await (await self.write("change", row)).by(self.keeper, If_Match=etag))
        refused(await (await self.write(verb, row)).by(self.keeper, If_Match=etag), 412, "version_mismatch")

    @each("verb", row_writes)
    async def test_none_that_is_named_may_be_there(self, verb: str):
        """`If-None-Match` with the present tag, or `*`, stops the change: 412."""
        row = await self.deleted() if verb == "restore" else await self.saved()
        write, before = await self.write(verb, row), await contents(self.stage.database)
        refused(await write.by(self.keeper, If_None_Match="*"), 412, "already_there")
        refused(await write.by(self.keeper, If_None_Match=await self.etag(row, verb)), 412, "version_mismatch")
        assert await contents(self.stage.database) == before, "What is refused changes nothing."
        done(await write.by(self.keeper, If_None_Match='"99-x"'))

    @each("verb", row_writes)
    async def test_a_precondition_tells_nothing_of_a_row_that_one_may_not_see(self, verb: str):
        """To an outsider it is absent or for administrators, with a wrong tag as with a right one."""
        row = await self.deleted() if verb == "restore" else await self.saved()
        outsider, write = await self.outsider(), await self.write(verb, row)
        tags = ("*", '"99-x"', await self.etag(row, verb))
        answers = [await write.by(outsider, If_Match=given, X_Request_ID="same") for given in tags]
        assert answers[0].status_code in {403, 404}
        assert all(answer.content == answers[0].content for answer in answers)
        assert all("ETag" not in answer.headers for answer in answers)

    @needs("create")
    async def test_a_create_has_no_row_that_could_match(self):
        """`If-Match` demands that there is one: 412 `precondition_failed`, and nothing is made."""
        write, before = await self.write("create"), await contents(self.stage.database)
        for given in ("*", '"1-x"'):
            refused(await write.by(self.keeper, If_Match=given), 412, "precondition_failed")
        assert await contents(self.stage.database) == before, "What is refused changes nothing."
        done(await write.by(self.keeper, If_None_Match="*"))

    @each("verb", lambda c: c.face.verbs("get", "list", "history"))
    async def test_a_read_that_the_client_has_is_304(self, verb: str):
        """Every page and document has an `ETag`; while nothing changed, the answer to it is 304 without a body
        (docs/guide/paging.md).
        """
        path = self.face.path if verb == "list" else self.path(self.row, "/history" if verb == "history" else "")
        read = done(await self.keeper.get(path))
        for form in ("{}", 'W/"x", {}', "*"):
            headers = {"If-None-Match": form.format(read.headers["ETag"])}
            for method in ("GET", "HEAD"):
                answer = await self.keeper.request(method, path, headers=headers)
                assert (answer.status_code, answer.content) == (304, b"")
                assert answer.headers["ETag"] == read.headers["ETag"]
        answer = await self.keeper.get(path, headers={"If-None-Match": '"x"'})
        assert (answer.status_code, answer.content) == (200, read.content)

    @each("verb", lambda c: c.face.verbs("get", "list", "history") if "change" in c.face.routes else [])
    async def test_a_read_of_what_has_changed_is_no_304(self, verb: str):
        """A change gives the document, its history and the pages that it is on another tag."""
        path = self.face.path if verb == "list" else self.path(self.row, "/history" if verb == "history" else "")
        headers = {"If-None-Match": done(await self.keeper.get(path)).headers["ETag"]}
        done(await self.keeper.patch(self.path(self.row), json=self.patch(self.row)))
        assert (await self.keeper.get(path, headers=headers)).status_code == 200

    @each("verb", lambda c: c.face.verbs("delete") if {"restore", "list"} <= c.face.routes.keys() else [])
    async def test_the_version_in_the_trash_is_the_one_to_restore(self, verb: str):
        """What the trash shows is known by its version: a restore with it in `If-Match` is made."""
        done(await (await self.write(verb, self.row)).by(self.keeper))
        trash = await self.keeper.get(self.face.path, params={"deleted": "only"})
        assert ids(trash) == [str(self.row.id)]
        etag = f'"{trash.json()["items"][0]["version"]}-"'
        done(await (await self.write("restore", self.row)).by(self.keeper, If_Match=etag))
