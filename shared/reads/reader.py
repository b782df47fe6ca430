"""The reader of a resource: its documents, lists and histories, as far as the caller may see them."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Uuid, bindparam, select, true

from shared.auth import TRUSTED, InvalidToken, Policy, Principal, gate
from shared.errors import Forbidden, NotFound
from shared.reads.collection import Collection, ListQuery
from shared.reads.cursors import Cursors
from shared.reads.history import History
from shared.reads.listing import Documents, Listing, Page
from shared.reads.projection import WHOLE, Projector, View
from shared.rows import Resource, live, table_of
from shared.wire import Database, Statement

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


class Reader(Generic[M]):
    """Reads the documents of a resource within what the policy allows."""

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
        self._role = self.policy.role(self._rows, projector.extensions)
        self._visible: ColumnElement[bool] = (self._rows.c.id == bindparam("id", type_=Uuid())) & self._role.is_not(
            None
        )

    @classmethod
    def resource(cls) -> str:
        """The name of the resource, which is that of its table."""
        return table_of(cls.model).name

    async def get(self, id: UUID, caller: Principal, view: View = WHOLE) -> Representation:
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

    async def list(self, caller: Principal, query: ListQuery) -> Page:
        """A page of the collection. Raises InvalidCursor, and InvalidToken when the caller's session has ended."""
        return await self._listing.page(self._database, caller, query)

    async def history(self, id: UUID, caller: Principal, query: ListQuery) -> Page:
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

    async def _get(self, id: UUID, caller: Principal, view: View, source: FromClause) -> Representation:
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
