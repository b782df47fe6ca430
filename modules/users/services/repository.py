"""How the accounts of services are found and kept."""

from functools import lru_cache
from uuid import UUID, uuid4

from sqlalchemy import Uuid, bindparam, null, select, true

from modules.users.errors import TooManyServices, UserNotFound
from modules.users.models import Role, User
from modules.users.repository import UserRepository
from modules.users.services.schemas import SERVICES, ServiceRead
from shared.auth import CALLER_ID, RESTORE, Policy, Principal, admitted, gate
from shared.reads import WHOLE, Listing, ListQuery, Page, Tools, View
from shared.rows import live, table_of
from shared.wire import Statement
from shared.writes import Change, Quota

OF_CALLER = Policy(
    role=lambda _services, _: null(),
    listed=lambda services, _: (services.c.owner_id == CALLER_ID,),
    allowed={RESTORE: frozenset()},
)
"""Of the caller's services, which are listed alone: for all else they are accounts, with the policy of those."""

_users = table_of(User)
SERVICES_OWNED = Quota(User, "owner_id", TooManyServices, *live(_users))
"""How many a person may own."""
_HOLD = Statement(
    select(_users.c.id)
    .where(
        _users.c.id == bindparam("id", type_=Uuid()),
        _users.c.owner_id == bindparam("of_user", type_=Uuid()),
        _users.c.is_active,
        *live(_users),
    )
    .with_for_update(read=True)
)


class ServiceRepository:
    """Accounts of services."""

    def __init__(self, tools: Tools, users: UserRepository) -> None:
        self._database, self._projector, self._users = tools.database, tools.projector, users
        self._listing = Listing(SERVICES, OF_CALLER, tools.projector, tools.cursors)
        self._documents = lru_cache(maxsize=100)(self._compile)

    async def list(self, caller: Principal, query: ListQuery) -> Page:
        """A page of the caller's services, the newest first. Raises InvalidCursor, and InvalidToken when the caller's
        session has ended.
        """
        return await self._listing.page(self._database, caller, query)

    async def get(self, id: UUID, caller: Principal, view: View = WHOLE) -> tuple[int, bytes]:
        """Version and document of a service of the caller's. Raises UserNotFound, and InvalidToken when the caller's
        session has ended.
        """
        values = caller.parameters() | {"id": id}
        ((version, content),) = admitted(await self._database.read(self._documents(view), values))
        if content is None:
            raise UserNotFound
        return version, content

    async def add(self, change: Change, full_name: str) -> tuple[UUID, int, bytes]:
        """Keep a new one of the caller's: its id, version and document. It has an address that nobody has (RFC 2606
        §2), and no password. Raises InvalidToken when the caller's account has gone meanwhile.
        """
        email, nothing = f"{uuid4()}@service.invalid", ""
        owned = {"owner_id": change.caller.user_id, "role": Role.USER, "is_active": True, "email_verified": False}
        id = await self._users.add(change, email=email, full_name=full_name, password_hash=nothing, **owned)
        values = change.caller.parameters() | {"id": id}
        ((version, content),) = admitted(await change.unit.execute(self._documents(WHOLE), values))
        return id, version, content

    async def hold(self, change: Change, id: UUID) -> bool:
        """Whether this is a service of the caller's that may act; it stays so until the unit of work ends."""
        return bool(await change.unit.execute(_HOLD, {"id": id, "of_user": change.caller.user_id}))

    def _compile(self, view: View) -> Statement:
        rows = ServiceRead.rows
        content = self._projector.json(ServiceRead, rows, view).label("content")
        own = (rows.c.id == bindparam("id", type_=Uuid()), rows.c.owner_id == CALLER_ID, *live(rows))
        document = select(rows.c.version, content).where(*own).lateral("document")
        return Statement(select(document).select_from(gate(self._projector.extensions).outerjoin(document, true())))
