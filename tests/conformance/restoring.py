"""Bringing a row back: as it was, alone or with its group, and what may be in its way (docs/guide/changing.md)."""

from typing import Any

from uuid_utils.compat import uuid7

from shared.auth import ADMIN, DELETE, RESTORE
from shared.errors import DomainError
from shared.rows import OWNER, belongings
from tests.callers import Caller
from tests.conformance.deleting import Deleting
from tests.conformance.faces import Face
from tests.conformance.requests import contents, done, refused, walk
from tests.conformance.rows import NOON
from tests.conformance.tried import each, needs

COUNTED = {"version", "updated_at"}
"""What tells of every change."""


class Restoring(Deleting):
    """`POST …/restore`."""

    @needs("restore", "delete")
    async def test_a_restore_brings_the_row_back_as_it_was(self):
        """But for the version and the time of change; the answer is what every later read answers."""
        before = await self.document(self.row)
        await self.delete(self.row)
        restored = done(await self.restore(self.row))
        after = restored.json()
        assert {name for name in after if after[name] != before[name]} == COUNTED
        assert after["version"] > before["version"]
        read = await self.keeper.get(self.path(self.row))
        assert (read.content, read.headers["ETag"]) == (restored.content, restored.headers["ETag"])
        assert str(self.row.id) in {item["id"] for item in await walk(self.keeper, self.face.path)}
        assert await self.trashed(self.keeper) == []

    @needs("restore", "delete")
    async def test_a_restore_of_a_live_row_changes_nothing(self):
        """Nor does a second one."""
        before = await self.keeper.get(self.path(self.row))
        assert done(await self.restore(self.row)).content == before.content
        await self.delete(self.row)
        once, twice = [done(await self.restore(self.row)) for _ in range(2)]
        assert twice.content == once.content

    @needs("restore", "delete")
    async def test_a_restore_brings_back_the_one_row_alone(self):
        """What was deleted by another request stays deleted."""
        other = await self.saved()
        for row in (other, self.row):
            await self.delete(row)
        done(await self.restore(self.row))
        refused(await self.keeper.get(self.path(other)), 404, self.resource.absent.code)
        done(await self.restore(other))

    @needs("restore", if_=lambda c: c.resource.orphans())
    async def test_a_restore_waits_for_what_owns_the_row(self):
        """A row does not come back before its owner: 409."""
        (owner,) = [belonging for belonging in belongings(self.face.table) if belonging.role == OWNER]
        row = await self.deleted(**await self._apart(owner.column.name))
        owners = self.face.table.metadata.tables[owner.resource]
        of_row = owners.c.id == getattr(row, owner.column.name)
        await self.stage.database.sql(owners.update().where(of_row).values(deleted_at=NOON, deletion_id=uuid7()))
        caller = await self._who_may(self.face, RESTORE)
        (error,) = self.resource.orphans()
        refused(await caller.post(f"{self.path(row)}/restore"), 409, error.code)

    @needs("restore", "delete")
    async def test_a_row_can_go_and_come_back_again(self):
        """As often as one likes."""
        for _ in range(2):
            await self.delete(self.row)
            done(await self.restore(self.row))

    @each("rule", lambda c: list(c.face.rules) if "restore" in c.face.routes else [])
    async def test_a_restore_names_the_row_in_its_way(self, rule: str):
        """Where a live row has taken a unique value meanwhile: 409 with the rule's code and the row as `obstacle`, to
        a dry run and a batch as well. All stays as it is; once the other is gone, the row comes back
        (docs/guide/errors.md).
        """
        columns = {name: self._free_value(name) for name in self.face.rules[rule] if name not in self.columns}
        old = await self.deleted(**columns)
        new = await self.saved(**{name: getattr(old, name) for name in self.face.rules[rule]})
        before = await contents(self.stage.database)
        obstacle = {"resource": self.face.table.name, "id": str(new.id)}
        path = self.path(old, "/restore")
        for asked in (path, f"{path}?dry_run=true"):
            problem = refused(await self.keeper.post(asked), 409, DomainError.by_constraint[rule].code)
            assert problem.get("obstacle") == obstacle
        operations = {"operations": [{"method": "POST", "path": path}]}
        problem = refused(await self.keeper.post("/batch", json=operations), 409, "batch_failed")["problem"]
        assert problem.get("obstacle") == obstacle
        assert await contents(self.stage.database) == before, "What is refused changes nothing."
        await self.delete(new)
        done(await self.restore(old))

    @each("column, above", lambda c: c.above())
    async def test_a_row_goes_and_comes_back_with_what_it_belongs_to(self, column: str, above: Any):
        """One deletion, one group: what was live goes along and comes back as it was; what was deleted before stays
        deleted; the rows of others are left alone, to the byte.
        """
        admin, stranger = await self.admin(), await self.outsider()
        own = await self._apart(column)
        row, earlier = await self.saved(**own), await self.deleted(**own)
        others = await self.saved(stranger)
        before, theirs = await self.document(row, admin), await stranger.get(self.path(others))
        holder = f"{above.path}/{getattr(row, column)}"
        deletes, restores = [await self._who_may(above, action) for action in (DELETE, RESTORE)]
        for _ in range(2):
            done(await deletes.delete(holder))
            refused(await admin.get(self.path(row)), 404, self.resource.absent.code)
            done(await restores.post(f"{holder}/restore"))
            after = await self.document(row, admin)
            assert {name for name in after if after[name] != before[name]} <= COUNTED
            refused(await admin.get(self.path(earlier)), 404, self.resource.absent.code)
        assert (await stranger.get(self.path(others))).content == theirs.content
        done(await (await self._who_may(self.face, RESTORE)).post(self.path(earlier, "/restore")))

    @needs("restore", if_=lambda c: c.parent)
    async def test_a_part_does_not_come_back_without_the_whole(self):
        """While what it is part of is deleted, nobody restores the part alone, not even an administrator."""
        for column, above in self.above():
            if column != self._parents_key():
                continue
            holder = f"{above.path}/{getattr(self.row, column)}"
            done(await (await self._who_may(above, DELETE)).delete(holder))
            for caller in (await self.admin(), self.keeper):
                assert (await caller.post(self.path(self.row, "/restore"))).status_code in {404, 409}
            done(await (await self._who_may(above, RESTORE)).post(f"{holder}/restore"))
            done(await self.keeper.get(self.path(self.row)))

    async def _apart(self, column: str) -> dict[str, Any]:
        """If this column names the owner of a part: another account than that of what the part is of."""
        is_owner_of_part = self.parent is not None and column != self._parents_key()
        return {column: (await self.outsider()).id} if is_owner_of_part else {}

    async def _who_may(self, face: Face, action: str) -> Caller:
        """An administrator; where the policy allows that none, the keeper."""
        return await self.admin() if face.allows(ADMIN, action) else self.keeper

    def _free_value(self, name: str) -> Any:
        """A value for a column that the factory leaves empty."""
        value = getattr(self.factory.build(**self.columns), name)
        return f"{name}-{uuid7().hex[-8:]}" if value is None else value
