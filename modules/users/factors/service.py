"""The rules of second factors, whatever their kind: how many there may be, and that nobody is left without a way in."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from modules.users.factors.errors import FactorNotFound, NoSecondFactor, TooManyFactors
from modules.users.factors.recovery_codes import RecoveryCodes
from modules.users.factors.repository import FactorRepository, Removed
from modules.users.notices import Notice, Notices
from modules.users.repository import UserRepository
from shared.auth import InvalidToken
from shared.writes import Change

MOST = 10
"""Factors of an account."""


class Added(NamedTuple):
    """A factor that is confirmed from now on."""

    id: UUID
    document: bytes
    recovery_codes: list[str] | None
    """None when the account has some."""


class FactorService:
    """Adds and removes second factors."""

    def __init__(
        self, factors: FactorRepository, codes: RecoveryCodes, users: UserRepository, notices: Notices
    ) -> None:
        self._factors = factors
        self._codes = codes
        self._users = users
        self._notices = notices

    async def hold(self, change: Change) -> str:
        """The caller's address. Nobody else changes their factors until the unit of work ends. Raises InvalidToken."""
        email = await self._factors.hold(change, change.caller.user_id)
        if email is None:
            raise InvalidToken
        return email

    async def make_room(self, change: Change) -> str:
        """The same, and there is room for one more: what was never confirmed goes. Raises TooManyFactors."""
        email = await self.hold(change)
        await self._factors.remove_pending(change, change.caller.user_id)
        if await self._factors.count(change, change.caller.user_id) >= MOST:
            raise TooManyFactors
        return email

    async def added(self, change: Change, id: UUID, name: str, counter: int) -> Added:
        """A factor of the caller's, which was just shown to work, with this counter; and recovery codes, unless some
        are left. Its owner is told. Raises FactorNotFound, and InvalidToken.
        """
        user_id, execute = change.caller.user_id, change.unit.execute
        await self._factors.use(change, id, counter)
        await self._notices.tell(change, user_id, Notice.FACTOR_ADDED, name=name)
        has_codes = await self._codes.left(user_id, execute) > 0
        codes = None if has_codes else await self._codes.renewed(change, user_id)
        return Added(id, await self._factors.get(change.caller, id, read=execute), codes)

    async def renew_codes(self, change: Change) -> list[str]:
        """New recovery codes for the caller, who is told. Raises NoSecondFactor, and InvalidToken."""
        await self.hold(change)
        if await self._factors.count(change, change.caller.user_id) == 0:
            raise NoSecondFactor
        await self._notices.tell(change, change.caller.user_id, Notice.RECOVERY_CODES_MADE)
        return await self._codes.renewed(change, change.caller.user_id)

    async def remove(self, change: Change, id: UUID) -> None:
        """Remove one of the caller's. With the last one, their recovery codes go. Raises FactorNotFound, and
        InvalidToken.
        """
        user_id = change.caller.user_id
        await self.hold(change)
        removed = await self._factors.remove(change, user_id, id)
        if removed is None:
            raise FactorNotFound
        await self._removed(change, user_id, [removed])

    async def remove_all(self, change: Change, user_id: UUID) -> None:
        """Remove all of an account whose owner has lost them. It is an administrator who does so, and who knows by
        other means that it is the owner who asks (ASVS 6.4.4). Raises UserNotFound, and UserForbidden.
        """
        await self._users.lock(change, user_id, "administer")
        await self.clear(change, user_id)

    async def clear(self, change: Change, user_id: UUID) -> None:
        """Remove all of an account that is held, and its recovery codes."""
        await self._removed(change, user_id, await self._factors.remove_all(change, user_id))

    async def _removed(self, change: Change, user_id: UUID, factors: Iterable[Removed]) -> None:
        """The owner is told of what they have signed in with. Recovery codes alone are no second factor."""
        for factor in factors:
            if factor.was_confirmed:
                await self._notices.tell(change, user_id, Notice.FACTOR_REMOVED, name=factor.name)
        if await self._factors.count(change, user_id) == 0:
            await self._codes.drop(change, user_id)
