"""The rules of services' accounts."""

from uuid import UUID

from modules.users.errors import UserNotFound
from modules.users.keys.repository import KeyRepository
from modules.users.notices import Notice, Notices
from modules.users.repository import UserRepository
from modules.users.services.repository import SERVICES_OWNED, ServiceRepository
from modules.users.services.schemas import ServiceCreate
from shared.reads import Representation
from shared.writes import Change


class Services:
    """Makes and deletes accounts of services: machines that act by themselves, with keys that their owner makes."""

    def __init__(
        self, services: ServiceRepository, users: UserRepository, keys: KeyRepository, notices: Notices, most: int
    ) -> None:
        """`most` is how many a person may own."""
        self._most = most
        self._services = services
        self._users = users
        self._keys = keys
        self._notices = notices

    async def make(self, change: Change, data: ServiceCreate) -> Representation:
        """A service of the caller's: its document. Raises TooManyServices, InvalidToken."""
        await SERVICES_OWNED.demand(change, change.caller.user_id, self._most)
        id, version, content = await self._services.add(change, data.full_name)
        await self._notices.tell(change, change.caller.user_id, Notice.SERVICE_MADE, name=data.full_name)
        return Representation(id, content, version)

    async def delete(self, change: Change, id: UUID) -> None:
        """Delete a service of the caller's, with what belongs to it, and end its keys. Raises UserNotFound, and as
        `lock` does.
        """
        user = await self._users.lock(change, id, "delete")
        if user.owner_id != change.caller.user_id:
            raise UserNotFound
        await self._users.delete(change, user)
        await self._keys.revoke_all(change, id)
