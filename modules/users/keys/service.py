"""The rules of keys."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from modules.users.errors import UserNotFound
from modules.users.keys.repository import KEYS_MADE, KeyRepository
from modules.users.keys.schemas import KeyCreate
from modules.users.notices import Notice, Notices
from modules.users.services.repository import ServiceRepository
from shared.auth import new_key
from shared.errors import InvalidInput
from shared.writes import Change

DEFAULT = timedelta(days=90)
LONGEST = timedelta(days=366)
"""A key that nobody renews is a key that nobody remembers."""


class KeyService:
    """Makes keys."""

    def __init__(
        self, keys: KeyRepository, services: ServiceRepository, notices: Notices, scopes: frozenset[str], most: int
    ) -> None:
        """`scopes` are all that there are; `most` is how many keys an account may have made."""
        self._most = most
        self._keys = keys
        self._services = services
        self._notices = notices
        self._scopes = scopes

    async def make(self, change: Change, data: KeyCreate) -> tuple[UUID, bytes]:
        """A key of the caller's: its id, and its document beside the secret. Raises InvalidInput, and UserNotFound for
        a service that is none of the caller's; TooManyKeys.
        """
        account_id = data.account_id or change.caller.user_id
        if account_id != change.caller.user_id and not await self._services.hold(change, account_id):
            raise UserNotFound(pointer="/account_id")
        for n, scope in enumerate(data.scopes):
            if scope not in self._scopes:
                known = ", ".join(sorted(self._scopes))
                raise InvalidInput(f"There is no such scope. There are: {known}.", pointer=f"/scopes/{n}")
        now = datetime.now(UTC)
        expires_at = data.expires_at or now + DEFAULT
        if not now < expires_at <= now + LONGEST:
            raise InvalidInput("This is in the future, and within a year.", pointer="/expires_at")
        await KEYS_MADE.demand(change, change.caller.user_id, self._most)
        key, columns = new_key(), {"name": data.name, "scopes": sorted(set(data.scopes))}
        id, document = await self._keys.add(change, key, account_id, expires_at, **columns)
        await self._notices.tell(change, change.caller.user_id, Notice.KEY_MADE, name=data.name)
        return id, b'{"secret":"%b","key":%b}' % (key.encode(), document)
