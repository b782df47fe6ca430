"""The verbs that find and change rows of a table. Each is a statement, compiled once for the columns it names."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from shared.errors import Conflict, Obstacle
from shared.rows import demand_fit, frozen, limits, live, live_rule, loaded_columns, table_of
from shared.schemas import MergePatch
from shared.values import differs
from shared.wire import Statement
from shared.writes.change import Change

M = TypeVar("M", bound=SQLModel)

Names = frozenset[str]

# The parameters of columns have the names of these. All others have a colon in their names, as no column has.
_DELETION_ID: sa.ColumnElement[UUID] = sa.bindparam("deletion:id", type_=sa.Uuid())
DELETION_IDS: sa.ColumnElement[Any] = sa.bindparam("deletion:ids", type_=sa.ARRAY(sa.Uuid()))


class Verbs(Generic[M]):
    """The verbs of one table. Keywords name rows by the values of columns: `find(change, project_id=…, user_id=…)`.

    A verb without an answer travels with the next statement (`UnitOfWork.send`), which raises the error of a constraint
    that the verb breaks. To go on after such an error, put the verb into a savepoint.
    """

    def __init__(self, model: type[M]) -> None:
        self._table = table_of(model)
        self.resource = self._table.name
        self._columns = loaded_columns(model)
        self._keys = [column.name for column in self._table.primary_key]
        self._frozen = frozen(model)
        self._limits = limits(self._table)
        self._statement = lru_cache(maxsize=800)(_compiled)

    async def find(self, change: Change, /, **key: Any) -> M | None:
        """The live row with these values, frozen."""
        rows = await change.unit.execute(self._statement(self._select, frozenset(key)), key)
        return self._frozen(rows[0]) if rows else None

    async def insert(self, change: Change, /, **columns: Any) -> None:
        """Store a new row. Raises InvalidInput for what a column does not hold."""
        demand_fit(self._limits, columns)
        await change.unit.send(self._statement(self._insert, frozenset(columns)), columns)

    async def upsert(self, change: Change, by: Sequence[str], /, **columns: Any) -> tuple[UUID, bool]:
        """Insert, or update the live row with the same values in `by`, which has a unique rule. The id, and whether the
        row is new. Raises InvalidInput for what a column does not hold.
        """
        demand_fit(self._limits, columns)
        rule = live_rule(self._table, by)
        ((id, version),) = await change.unit.execute(self._statement(self._upsert, rule, frozenset(columns)), columns)
        return id, version == 1  # Every update counts.

    async def update(self, change: Change, row: M, /, **columns: Any) -> bool:
        """Give a row these columns; a MergePatch is merged into the object there. If it has them all already, its
        version stays: whether it did not. Raises InvalidInput for what a column does not hold.
        """
        changed = {}
        for name, given in columns.items():
            present = getattr(row, name)
            value = given.onto(present, name) if isinstance(given, MergePatch) else given
            if differs(present, value):
                changed[name] = value
        demand_fit(self._limits, changed)
        if changed:
            await self._store(change, row, changed)
        return bool(changed)

    async def touch(self, change: Change, row: M) -> None:
        """Give a row a new version, because what its document embeds has changed."""
        await self._store(change, row, {})

    async def remove(self, change: Change, /, **key: Any) -> int:
        """Remove the rows with these values for good. How many there were."""
        return len(await change.unit.execute(self._statement(self._remove, frozenset(key)), key))

    async def delete(self, change: Change, /, **key: Any) -> UUID:
        """Delete the live rows with these values softly, as a group: the new id of the deletion."""
        deletion_id = uuid7()
        await change.unit.send(self._statement(self._delete, frozenset(key)), key | {"deletion:id": deletion_id})
        return deletion_id

    async def delete_along(self, change: Change, column: str, deletion_ids: Sequence[UUID]) -> None:
        """Delete the live rows that belong to rows of these deletions, by the foreign key in the column, each under the
        id of its own.
        """
        await change.unit.send(self._statement(self._delete_along, column), {"deletion:ids": [*deletion_ids]})

    async def restore(self, change: Change, /, **key: Any) -> None:
        """Bring back the deleted rows with these values. Raises the error of a unique rule, which names the live row in
        the way.
        """
        names = frozenset(key)
        try:
            async with change.unit.savepoint():
                await change.unit.execute(self._statement(self._restore, names), key)
        except Conflict as conflict:
            rule = next((i for i in self._table.indexes if i.unique and i.name == conflict.constraint), None)
            if rule is not None and "id" in self._table.c:
                for (id,) in await change.unit.execute(self._statement(self._obstacle, rule, names), key):
                    conflict.obstacle = Obstacle(resource=self._table.name, id=id)
            raise

    async def _store(self, change: Change, row: M, columns: Mapping[str, Any]) -> None:
        key = {f"key:{name}": getattr(row, name) for name in self._keys}
        await change.unit.send(self._statement(self._update, frozenset(columns)), {**columns, **key})

    def _matching(self, names: Names) -> list[sa.ColumnElement[bool]]:
        return [self._table.c[name] == sa.bindparam(name, type_=self._table.c[name].type) for name in sorted(names)]

    def _deleted(self, names: Names) -> list[sa.ColumnElement[bool]]:
        return [*self._matching(names), self._table.c.deleted_at.is_not(None)]

    def _select(self, names: Names) -> Any:
        return sa.select(*self._columns).where(*self._matching(names), *live(self._table))

    def _insert(self, names: Names) -> Any:
        return insert(self._table).values(parameters(names))

    def _upsert(self, rule: sa.Index, names: Names) -> Any:
        row = insert(self._table).values(parameters(names))
        replaced = sorted(names - {"id"} - {column.name for column in rule.columns})
        upsert = row.on_conflict_do_update(constraint=rule, set_={name: row.excluded[name] for name in replaced})
        return upsert.returning(self._table.c.id, self._table.c.version)

    def _update(self, names: Names) -> Any:
        keys = [column == sa.bindparam(f"key:{column.name}", type_=column.type) for column in self._table.primary_key]
        given = parameters(names) or {"version": self._table.c.version}  # Its trigger counts every update.
        return sa.update(self._table).where(*keys).values(given)

    def _remove(self, names: Names) -> Any:
        return sa.delete(self._table).where(*self._matching(names)).returning(sa.literal_column("1"))

    def _delete(self, names: Names) -> Any:
        return self._deletion_of(_DELETION_ID, *self._matching(names))

    def _delete_along(self, column: str) -> Any:
        (key,) = self._table.c[column].foreign_keys
        gone = key.column.table.alias()
        belongs = self._table.c[column] == gone.c[key.column.name]
        return self._deletion_of(gone.c.deletion_id, belongs, gone.c.deletion_id == sa.func.any(DELETION_IDS))

    def _deletion_of(self, under: sa.ColumnElement[UUID], *conditions: sa.ColumnElement[bool]) -> Any:
        deleted = sa.update(self._table).where(*conditions, *live(self._table))
        return deleted.values(deleted_at=sa.func.now(), deletion_id=under)

    def _restore(self, names: Names) -> Any:
        restored = sa.update(self._table).where(*self._deleted(names))
        return restored.values(deleted_at=sa.null(), deletion_id=sa.null())

    def _obstacle(self, rule: sa.Index, names: Names) -> Any:
        """The live row that has the values of a deleted one in the columns of the rule."""
        values = [v if isinstance(v, sa.ColumnElement) else sa.literal_column(str(v)) for v in rule.expressions]
        wanted = sa.select(*values).select_from(self._table).where(*self._deleted(names)).correlate(None)
        same = sa.select(self._table.c.id).where(sa.tuple_(*values).in_(wanted), *live(self._table))
        return same.order_by(self._table.c.id).limit(sa.literal_column("1"))


def parameters(names: Names) -> Mapping[str, Any]:
    """The values of columns, as parameters of their names."""
    return {name: sa.bindparam(name) for name in sorted(names)}


def _compiled(written: Callable[..., Any], *shape: Any) -> Statement:
    return Statement(written(*shape))
