"""Deleting a row, the trash, and what goes for good (docs/guide/changing.md)."""

from datetime import UTC, datetime, timedelta
from typing import Any

from httpx2 import Response
from uuid_utils.compat import uuid7

from shared.auth import ADMIN, RESTORE
from shared.upkeep import Purge
from tests.conformance.promises import Promises
from tests.conformance.requests import done, refused, walk
from tests.conformance.tried import each, needs
from tests.conformance.values import NOON


class Deleting(Promises):
    """`DELETE` on a row, and the trash."""

    async def trashed(self, caller: Any, deleted: str = "only", /, **params: Any) -> list[dict[str, Any]]:
        return await walk(caller, self.face.path, deleted=deleted, **params)

    async def delete(self, row: Any) -> Response:
        return done(await self.keeper.delete(self.path(row)))

    async def restore(self, row: Any) -> Response:
        return await self.keeper.post(self.path(row, "/restore"))

    @needs("delete")
    async def test_a_delete_answers_with_nothing_and_takes_the_row_away(self):
        """204; it is in no list, and every other row stays as it was, to the byte."""
        other = await self.saved()
        before = await self.keeper.get(self.path(other))
        deleted = await self.delete(self.row)
        assert (deleted.status_code, deleted.content) == (204, b"")
        refused(await self.keeper.get(self.path(self.row)), 404, self.resource.absent.code)
        refused(await self.keeper.delete(self.path(self.row)), 404, self.resource.absent.code)
        assert (await self.keeper.get(self.path(other))).content == before.content

    @needs("delete", "list")
    async def test_deleted_rows_are_listed_only_when_asked_for(self):
        """`deleted=exclude|only|include`; without it, a list has the live ones (docs/guide/paging.md)."""
        other = await self.saved()
        await self.delete(self.row)
        live, gone = str(other.id), str(self.row.id)
        for deleted, expected in ((None, {live}), ("exclude", {live}), ("only", {gone}), ("include", {live, gone})):
            params = {} if deleted is None else {"deleted": deleted}
            found = {item["id"] for item in await walk(self.keeper, self.face.path, **params)}
            assert found & {live, gone} == expected, deleted
            counted = done(await self.keeper.get(self.face.path, params=params | {"count": "exact"})).json()["count"]
            assert counted == len(found), "`count` counts what the pages have."

    @needs("list", "restore")
    async def test_the_trash_tells_since_when_and_until_when(self):
        """A deleted row carries `deleted_at` and `purge_at`; of a live one in the same list they are null."""
        gone = await self.deleted()
        for deleted in ("only", "include"):
            found = {item["id"]: item for item in await self.trashed(self.keeper, deleted)}
            row = found[str(gone.id)]
            assert datetime.fromisoformat(row["deleted_at"]) == NOON
            assert datetime.fromisoformat(row["purge_at"]) == NOON + self.stage.settings.retention
            live = found.get(str(self.row.id), {})
            assert live.get("deleted_at") is live.get("purge_at") is None
        assert not {"deleted_at", "purge_at"} & (await self.document(self.row)).keys()

    @needs("list", "restore")
    async def test_the_trash_is_walked_through_in_pages(self):
        """Like every list."""
        rows = await self.saved_all([{"deleted_at": NOON, "deletion_id": uuid7()} for _ in range(5)])
        whole = await self.trashed(self.keeper, limit=100)
        assert {item["id"] for item in whole} == {str(row.id) for row in rows}
        assert await self.trashed(self.keeper, limit=2) == whole

    @each("role", lambda c: [*c.roles, ADMIN] if "restore" in c.face.routes else [])
    async def test_the_trash_shows_who_may_restore_it(self, role: str):
        """Of deleted rows, a caller finds those that they may restore, in the trash and by their history."""
        row = await self.deleted()
        caller = await (self.admin() if role == ADMIN else self.actor(role, row))
        if self.face.is_administered("list") and role != ADMIN:
            return
        is_listed = self.face.allows(role, RESTORE) and (role != ADMIN or self.face.is_administered("list"))
        for deleted in ("only", "include"):
            found = [item["id"] for item in await self.trashed(caller, deleted)]
            assert (str(row.id) in found) == is_listed, deleted
        if "history" in self.face.routes:
            answer = await caller.get(self.path(row, "/history"))
            assert answer.status_code == (200 if self.face.allows(role, RESTORE) else 404)

    @needs("delete")
    async def test_what_is_past_its_retention_is_purged(self):
        """It is gone for good, and can be restored no more; what was deleted later, and what is live, stays."""
        now, retention = datetime.now(UTC), self.stage.settings.retention
        old = await self.deleted(deleted_at=now - retention - timedelta(days=1))
        young = await self.deleted(deleted_at=now - retention + timedelta(days=1))
        counts = await Purge(self.stage.database, self.stage.settings).run()
        assert counts[self.face.table.name] == 1
        assert await self.found(old.id) is None
        assert await self.found(young.id) is not None
        assert (await self.keeper.get(self.path(self.row))).status_code == 200
        if "restore" in self.face.routes:
            refused(await self.restore(old), 404, self.resource.absent.code)
            done(await self.restore(young))
