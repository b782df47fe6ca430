"""The repository of a resource: what every module's own one begins with."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Index, Select, Uuid, bindparam, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from shared.auth import TRUSTED, Claimant, InvalidToken, Policy, Principal, gate
from shared.errors import Contended, Forbidden, NotFound
from shared.reads import WHOLE, Collection, Cursors, Documents, History, Listing, ListQuery, Page, Projector, View
from shared.rows import INCLUDE_DELETED, Resource, delete_group, live, live_rule, restore, restore_group, table_of
from shared.wire import Database, Statement
from shared.writes.preconditions import PreconditionFailed, precondition

M = TypeVar("M", bound=Resource)


@dataclass(frozen=True)
class Representation:
    """A document as the client gets it, with what tells its versions apart (RFC 9110 §8)."""

    content: bytes
    version: int

    @property
    def etag(self) -> str:
        """Strong: the version, which `If-Match` compares, and a digest of the bytes, whatever is embedded in them."""
        return f'"{self.version}-{hashlib.blake2b(self.content, digest_size=9).hexdigest()}"'


class Repository(Generic[M]):
    """Reads the documents of a resource, and locks its rows for a change, both within what the policy allows."""

    model: type[M]
    collection: ClassVar[Collection]
    policy: ClassVar[Policy]
    absent: ClassVar[type[NotFound]]
    """Raised for a row that is not there, or not visible to the caller, which is the same to them."""
    denied: ClassVar[type[Forbidden]]
    """Raised for a row that is visible, when the caller's role does not allow the action."""

    def __init__(self, database: Database, projector: Projector, cursors: Cursors) -> None:
        self._database = database
        self._projector = projector
        self._gate = gate(projector.extensions)
        self._rows = self.collection.document.rows
        self._listing = Listing(self.collection, self.policy, projector, cursors)
        self._history = History(table_of(self.model), self.policy, projector, cursors)
        self._documents = lru_cache(maxsize=500)(self._compile)
        self._insert = lru_cache(maxsize=100)(self._compile_insert)
        self._upsert = lru_cache(maxsize=100)(self._compile_upsert)
        role = self.policy.role(self._rows, projector.extensions)
        self._visible = (self._rows.c.id == bindparam("id", type_=Uuid())) & role.is_not(None)
        self._lock = (
            select(self.model, role).select_from(TRUSTED).join(self.model, self._visible).with_for_update(of=self.model)
        )

    @classmethod
    def resource(cls) -> str:
        """The name of the resource, which is that of its table."""
        return table_of(cls.model).name

    @property
    def session(self) -> AsyncSession:
        """The session of the open unit of work."""
        return self._database.session

    async def get(self, id: UUID, caller: Principal | Claimant, view: View = WHOLE) -> Representation:
        """The document. Raises `absent`, and InvalidToken when the caller's session has ended.

        A change answers with it too: it is read in the unit of work, after all locks were waited for, so that nothing
        is kept for a session that ended meanwhile.
        """
        if self._database.in_unit_of_work:
            self._database.unit.permissions.append((self.resource(), "read", id))
        return await self._get(id, caller, view, self._gate)

    async def get_trusted(self, id: UUID, principal: Principal) -> Representation:
        """The document for a principal without a session, as at registration. Raises `absent`."""
        return await self._get(id, principal, WHOLE, TRUSTED)

    async def list(self, caller: Principal | Claimant, query: ListQuery) -> Page:
        """A page of the collection. Raises InvalidCursor, and InvalidToken when the caller's session has ended."""
        return await self._listing.page(self._database, caller, query)

    async def history(self, id: UUID, caller: Principal | Claimant, query: ListQuery) -> Page:
        """What the journal tells of a row, newest first; of a deleted one to those who may restore it.

        Raises `absent`, InvalidCursor, and InvalidToken when the caller's session has ended.
        """
        page = await self._history.page(self._database, id, caller, query)
        if page is None:
            raise self.absent
        return page

    def export(self, principal: Principal, query: ListQuery) -> Documents:
        """Every document that the query matches, in batches. Raises Unavailable when too many exports run."""
        return self._listing.export(self._database, principal, query)

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

    async def _get(self, id: UUID, caller: Principal | Claimant, view: View, source: FromClause) -> Representation:
        found = await self._database.read(self._documents(view, source), caller.parameters() | {"id": id})
        if not found:
            raise InvalidToken
        version, content = found[0]
        if content is None:
            raise self.absent
        return Representation(content, version)

    def _compile(self, view: View, source: FromClause) -> Statement:
        content = self._projector.json(self.collection.document, self._rows, view)
        document = select(self._rows.c.version, content.label("content")).where(self._visible, *live(self._rows))
        answer = document.lateral("document")
        return Statement(select(answer).select_from(source.outerjoin(answer, true())))

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
