"""The present password, as proof that it is the owner who asks, and not who has found a session of theirs."""

from functools import partial

from modules.users.errors import WrongPassword
from modules.users.guesses import Guesses
from modules.users.repository import Credentials, UserRepository
from shared.auth import Passwords
from shared.writes import Change


class CurrentPassword:
    """Demands it. Who has a session but not the password guesses like everybody else."""

    def __init__(self, users: UserRepository, passwords: Passwords, guesses: Guesses) -> None:
        self._users = users
        self._passwords = passwords
        self._guesses = guesses

    async def demand(self, change: Change, password: str, address: str) -> Credentials:
        """What the caller's account signs in with, if this is its password; `address` is the client's. Call it before
        the first statement, for it takes a while. Raises WrongPassword, TooManyAttempts, TooManySignIns.
        """
        found = await self._users.credentials_of(change.caller.user_id)
        if found is None:
            raise WrongPassword(pointer="/current_password")
        account, known = found
        matches = partial(self._passwords.matches, password, known.password_hash)
        if not await self._guesses.judged(account, address, matches):
            raise WrongPassword(pointer="/current_password")
        return known

    async def hold(self, change: Change, known: Credentials, password: str) -> None:
        """It is still the password, and the account is locked. Raises WrongPassword, TooManySignIns."""
        if await self._users.hold(change, known, partial(self._passwords.matches, password)) is None:
            raise WrongPassword(pointer="/current_password")
