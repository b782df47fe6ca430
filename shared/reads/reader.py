"""The reader of a resource: its documents, its list and its histories, as far as the caller may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import BindParameter, FromClause, Uuid, bindparam, select, true

from shared.auth import RESOURCES, Policy, Principal, admitted, gate, policy_of
from shared.errors import Forbidden, NotFound
from shared.events import Events
from shared.reads.collection import Collection, Flat, ListQuery
from shared.reads.cursors import Cursors
from shared.reads.history import History
from shared.reads.listing import Documents, Listing, Page
from shared.reads.projection import WHOLE, Projector, View
from shared.reads.totals import Totals
from shared.rows import OWNER, PART, Resource, belongs_to, index_sort, live, table_of
from shared.wire import Database, Record, Statement

M = TypeVar("M", bound=Resource)


@dataclass(frozen=True)
class Representation:
    """A document as the client gets it, and the id and the version of its row."""

    id: UUID
    content: bytes
    version: int


@dataclass(frozen=True)
class Tools:
    """What the kernel gives to every repository."""

    database: Database
    projector: Projector
    cursors: Cursors
    events: Events


class Reader(Generic[M]):
    """Reads the documents of a resource within what the policy allows."""

    model: type[M]
    collection: ClassVar[Collection]
    policy: ClassVar[Policy]
    """By default what the table's columns say: see `owned_by` and `part_of`, which decides where a row has both."""
    absent: ClassVar[type[NotFound]]
    """Raised for a row that does not exist or is not visible: the caller cannot tell which."""
    denied: ClassVar[type[Forbidden]]
    """Raised for a visible row when the caller's role does not allow the action."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "model" not in vars(cls):
            return
        RESOURCES[cls.resource()] = cls
        owner, part = (belongs_to(table_of(cls.model), role) for role in (OWNER, PART))
        if "policy" not in vars(cls):
            belonging = part or owner
            if belonging is None:
                raise TypeError(f"{cls.__name__} has no policy: no column of its table is owned_by or part_of another.")
            cls.policy = policy_of(belonging)
        listed_by = part if cls.policy.parents else owner or part
        for name in cls.collection.sorts:
            if isinstance(name, Flat):
                index_sort(table_of(cls.model), name, listed_by)

    def __init__(self, tools: Tools) -> None:
        self._database, self._projector = tools.database, tools.projector
        projector, cursors = tools.projector, tools.cursors
        self._gate = gate(projector.extensions)
        self._rows = self.collection.document.rows
        self._listing = Listing(self.collection, self.policy, projector, cursors)
        self._totals = Totals(self.collection, self.policy, projector)
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
        return self._represented(id, await self._database.read(statement, caller.parameters() | {"id": id}))

    async def list(self, caller: Principal, query: ListQuery) -> Page:
        """A page of the collection. Raises InvalidCursor, and InvalidToken when the caller's session has ended."""
        return await self._listing.page(self._database, caller, query)

    async def totals(self, caller: Principal, query: ListQuery) -> bytes:
        """How many rows of the collection the query matches, and their sums, whole and by group: a JSON object. Raises
        InvalidInput for sums that are too large, and InvalidToken when the caller's session has ended.
        """
        return await self._totals.read(self._database, caller, query)

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

    def _represented(self, id: UUID, found: Sequence[Record]) -> Representation:
        """What a statement of `_documents` gives: no row when the session has ended, an empty one when it is absent."""
        ((version, content),) = admitted(found)
        if content is None:
            raise self.absent
        return Representation(id, content, version)

    def _compile(self, view: View, source: FromClause) -> Statement:
        content = self._projector.json(self.collection.document, self._rows, view)
        role = self.policy.role(self._rows, self._projector.extensions)
        document = select(self._rows.c.version, content.label("content")).where(
            self._rows.c.id == self._id, role.is_not(None), *live(self._rows)
        )
        answer = document.lateral("document")
        return Statement(select(answer).select_from(source.outerjoin(answer, true())))
