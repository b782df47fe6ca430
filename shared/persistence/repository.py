"""The repository of a resource: what every module's own one begins with."""

from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth.policy import Policy
from shared.auth.principal import Principal
from shared.errors import Forbidden, NotFound
from shared.extensions import Extensions
from shared.persistence.cursors import Cursors
from shared.persistence.database import Database
from shared.persistence.listing import Listing, Page
from shared.persistence.models import Resource
from shared.persistence.projection import Document, as_json
from shared.persistence.soft_delete import INCLUDE_DELETED, live

M = TypeVar("M", bound=Resource)


class Repository(Generic[M]):
    """Reads the documents of a resource, and locks its rows for a change, both within what the policy allows."""

    model: type[M]
    document: ClassVar[type[Document]]
    policy: ClassVar[Policy]
    absent: ClassVar[type[NotFound]]
    """Raised for a row that is not there, or not visible to the caller, which is the same to them."""
    denied: ClassVar[type[Forbidden]]
    """Raised for a row that is visible, when the caller's role does not allow the action."""

    def __init__(self, database: Database, extensions: Extensions, cursors: Cursors) -> None:
        self._database = database
        rows = self.document.rows
        document = as_json(self.document, rows, extensions)
        role = self.policy.role(rows, extensions)
        visible = (rows.c.id == bindparam("id", type_=Uuid())) & role.is_not(None)
        self._document = select(document).where(visible, *live(rows))
        self._lock = select(self.model, role).where(visible).with_for_update(of=self.model)
        listed = select(document).where(self.policy.listed(rows, extensions), *live(rows))
        self._listing = Listing(listed, (rows.c.created_at, rows.c.id), cursors, name=str(rows))

    @property
    def session(self) -> AsyncSession:
        """The session of the open unit of work."""
        return self._database.session

    async def get(self, id: UUID, principal: Principal) -> bytes:
        """The document, as JSON. Raises `absent`."""
        async with self._database.reading() as connection:
            document = (await connection.execute(self._document, principal.parameters() | {"id": id})).scalar()
        if document is None:
            raise self.absent
        return bytes(document)

    async def list(self, principal: Principal, limit: int, cursor: str | None) -> Page:
        """A page of the collection, newest first. Raises InvalidCursor."""
        async with self._database.reading() as connection:
            return await self._listing.page(connection, principal, limit, cursor)

    async def lock(self, id: UUID, action: str, principal: Principal, *, include_deleted: bool = False) -> M:
        """The row, locked until the unit of work ends. Raises `absent`, or `denied` when the role does not allow the
        action; a deleted row that one may not restore is absent.
        """
        options = {"populate_existing": True} | (INCLUDE_DELETED if include_deleted else {})
        found = await self.session.execute(self._lock, principal.parameters() | {"id": id}, execution_options=options)
        row = found.one_or_none()
        if row is None:
            raise self.absent
        entity: M = row[0]
        role: str = row[1]
        self.policy.demand(action, role, self.denied if entity.deleted_at is None else self.absent)
        return entity
