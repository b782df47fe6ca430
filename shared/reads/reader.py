"""The reader of a resource: its documents, its list and its histories, as far as the caller may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import BindParameter, FromClause, Uuid, bindparam, select, true

from shared.auth import Policy, Principal, admitted, gate
from shared.errors import Forbidden, NotFound
from shared.reads.collection import Collection, ListQuery
from shared.reads.cursors import Cursors
from shared.reads.history import History
from shared.reads.listing import Documents, Listing, Page
from shared.reads.projection import WHOLE, Projector, View
from shared.rows import Resource, live, table_of
from shared.wire import Database, Record, Statement

M = TypeVar("M", bound=Resource)


@dataclass(frozen=True)
class Representation:
    """A document as the client gets it, and the version of its row."""

    content: bytes
    version: int


class Reader(Generic[M]):
    """Reads the documents of a resource within what the policy allows."""

    model: type[M]
    collection: ClassVar[Collection]
    policy: ClassVar[Policy]
    absent: ClassVar[type[NotFound]]
    """Raised for a row that does not exist or is not visible: the caller cannot tell which."""
    denied: ClassVar[type[Forbidden]]
    """Raised for a visible row when the caller's role does not allow the action."""

    def __init__(self, database: Database, projector: Projector, cursors: Cursors) -> None:
        self._database = database
        self._projector = projector
        self._gate = gate(projector.extensions)
        self._rows = self.collection.document.rows
        self._listing = Listing(self.collection, self.policy, projector, cursors)
        self._history = History(table_of(self.model), self.policy, projector, cursors)
        self._documents = lru_cache(maxsize=500)(self._compile)
        self._id: BindParameter[UUID] = bindparam("id", type_=Uuid())

    @classmethod
    @cache
    def resource(cls) -> str:
        """The name of the resource, which is that of its table."""
        return table_of(cls.model).name

    async def get(self, id: UUID, caller: Principal, view: View = WHOLE) -> Representation:
        """The document. Raises `absent`, and InvalidToken when the caller's session has ended."""
        statement = self._documents(view, self._gate)
        return self._represented(await self._database.read(statement, caller.parameters() | {"id": id}))

    async def list(self, caller: Principal, query: ListQuery) -> Page:
        """A page of the collection. Raises InvalidCursor, and InvalidToken when the caller's session has ended."""
        return await self._listing.page(self._database, caller, query)

    async def history(self, id: UUID, caller: Principal, query: ListQuery) -> Page:
        """The history of a row, newest first; of a deleted row, for those who may restore it.

        Raises `absent`, InvalidCursor, and InvalidToken when the caller's session has ended.
        """
        page = await self._history.page(self._database, id, caller, query)
        if page is None:
            raise self.absent
        return page

    def export(self, principal: Principal, query: ListQuery) -> Documents:
        """Every document that the query matches, in batches. Raises Unavailable when too many exports run."""
        return self._listing.export(self._database, principal, query)

    def _represented(self, found: Sequence[Record]) -> Representation:
        """What a statement of `_documents` gives: no row when the session has ended, an empty one when it is absent."""
        ((version, content),) = admitted(found)
        if content is None:
            raise self.absent
        return Representation(content, version)

    def _compile(self, view: View, source: FromClause) -> Statement:
        content = self._projector.json(self.collection.document, self._rows, view)
        role = self.policy.role(self._rows, self._projector.extensions)
        document = select(self._rows.c.version, content.label("content")).where(
            self._rows.c.id == self._id, role.is_not(None), *live(self._rows)
        )
        answer = document.lateral("document")
        return Statement(select(answer).select_from(source.outerjoin(answer, true())))
