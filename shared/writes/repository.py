"""The repository of a resource: what every module's own one begins with."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Index, Select, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from shared.auth import TRUSTED, Principal
from shared.errors import Contended
from shared.reads import Cursors, Projector, Reader
from shared.rows import (
    INCLUDE_DELETED,
    Resource,
    delete_group,
    live,
    live_rule,
    restore,
    restore_group,
    table_of,
)
from shared.wire import Database, Statement
from shared.writes.preconditions import PreconditionFailed, precondition

M = TypeVar("M", bound=Resource)


class Repository(Reader[M]):
    """Reads the documents of a resource, and locks its rows for a change, both within what the policy allows."""

    def __init__(self, database: Database, projector: Projector, cursors: Cursors) -> None:
        super().__init__(database, projector, cursors)
        self._insert = lru_cache(maxsize=100)(self._compile_insert)
        self._upsert = lru_cache(maxsize=100)(self._compile_upsert)
        self._lock = (
            select(self.model, self._role)
            .select_from(TRUSTED)
            .join(self.model, self._visible)
            .with_for_update(of=self.model)
        )

    @property
    def session(self) -> AsyncSession:
        """The session of the open unit of work."""
        return self._database.session

    async def lock(self, id: UUID, action: str, principal: Principal, *, include_deleted: bool = False) -> M:
        """The row, locked until the unit of work ends. Raises `absent`, or `denied` when the role does not allow the
        action; a deleted row that one may not restore is absent.

        The role is that of the moment of asking: a change that had to wait for a lock is not judged again.
        The first row that a request locks is the one whose version its `If-Match` is about. Raises VersionMismatch,
        AlreadyThere and PreconditionRequired.
        """
        options = {"populate_existing": True} | (INCLUDE_DELETED if include_deleted else {})
        found = await self.session.execute(self._lock, principal.parameters() | {"id": id}, execution_options=options)
        row = found.one_or_none()
        if row is None:
            raise self.absent
        entity: M = row[0]
        role: str = row[1]
        self.policy.demand(action, role, self.denied if entity.deleted_at is None else self.absent)
        self._database.unit.permissions.append((self.resource(), action, id))
        await self._demand_version(entity, principal)
        return entity

    async def add(self, **columns: Any) -> UUID:
        """Store a new row, at once, and give its id. Raises the error of a constraint that it breaks."""
        id: UUID = columns.setdefault("id", uuid7())
        await self._database.execute(self._insert(frozenset(columns)), columns)
        return id

    async def upsert(self, by: Sequence[str], principal: Principal, **columns: Any) -> tuple[UUID, bool]:
        """Store a row, or give its columns to the live one that is the same in those of the unique rule `by`, which
        make it the caller's own: the id, and whether it is new. Raises the error of a constraint it breaks, and of the
        precondition.
        """
        rows = table_of(self.model)
        rule = live_rule(rows, by)
        demanded = precondition.get()
        if demanded is not None and not demanded.is_settled:
            id = await self.session.scalar(_present(rows, {name: columns[name] for name in by}))
            if id is not None:
                await self.lock(id, "change", principal)
            elif demanded.wants_one:
                raise PreconditionFailed
        columns.setdefault("id", uuid7())
        ((id, version),) = await self._database.execute(self._upsert(rule, frozenset(columns)), columns)
        is_new = version == 1  # Every update counts.
        if demanded is not None and not demanded.is_settled and not is_new:
            raise Contended  # Another one made it since we looked.
        self._database.unit.permissions.append((self.resource(), "read" if is_new else "change", id))
        return id, is_new

    async def delete(self, where: ColumnElement[bool], deletion_id: UUID | None = None) -> UUID:
        """Delete the live rows that match; the id of the deletion, a new one unless given, is their group's."""
        return await delete_group(self.session, self.model, where, deletion_id)

    async def restore(self, where: ColumnElement[bool]) -> None:
        """Bring back the deleted rows that match. Raises the error of a unique rule, with the row in the way."""
        await restore(self.session, self.model, where)

    async def restore_group(self, deletion_id: UUID) -> None:
        """Bring back what one deletion took. Raises as `restore` does."""
        await restore_group(self.session, self.model, deletion_id)

    async def _demand_version(self, row: M, principal: Principal) -> None:
        demanded = precondition.get()
        if demanded is None or demanded.is_settled or demanded.allows(row.version):
            return
        is_deleted = row.deleted_at is not None
        etag = f'"{row.version}-"' if is_deleted else (await self.get(row.id, principal)).etag
        raise demanded.refusal(row.version, etag)

    def _compile_insert(self, names: frozenset[str]) -> Statement:
        return Statement(insert(self.model).values({name: bindparam(name) for name in sorted(names)}))

    def _compile_upsert(self, rule: Index, names: frozenset[str]) -> Statement:
        row = insert(self.model).values({name: bindparam(name) for name in sorted(names)})
        replaced = sorted(names - {"id"} - {column.name for column in rule.columns})
        upsert = row.on_conflict_do_update(constraint=rule, set_={name: row.excluded[name] for name in replaced})
        return Statement(upsert.returning(self._rows.c.id, self._rows.c.version))


def _present(rows: FromClause, key: Mapping[str, Any]) -> Select[UUID]:
    """The id of the live row with this key, which is locked."""
    return select(rows.c.id).where(*(rows.c[name] == key[name] for name in key), *live(rows)).with_for_update()
