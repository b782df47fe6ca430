"""The rules of accounts."""

from collections.abc import Set
from functools import partial
from uuid import UUID

from sqlmodel import col

from modules.users.api import UserDeleted, UserRestored
from modules.users.errors import LastAdministrator, WrongPassword
from modules.users.guesses import Guesses
from modules.users.models import Role, User
from modules.users.repository import SessionRepository, UserRepository
from modules.users.schemas import PasswordChange, UserAdministration, UserCreate, UserUpdate
from shared.auth import Passwords, Principal
from shared.errors import Contended
from shared.events import Events
from shared.reads import Representation


class UserService:
    """Registers, changes, deletes and restores accounts."""

    def __init__(
        self,
        users: UserRepository,
        sessions: SessionRepository,
        passwords: Passwords,
        guesses: Guesses,
        events: Events,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._guesses = guesses
        self._events = events

    async def register(self, data: UserCreate) -> tuple[UUID, Representation]:
        """A new account. Raises EmailTaken."""
        password_hash = await self._passwords.hash(data.password)
        id = await self._users.add(
            email=data.email,
            full_name=data.full_name,
            password_hash=password_hash,
            role=Role.USER,
            is_active=True,
            email_verified=False,
        )
        return id, await self._users.get_trusted(id, Principal(id))

    async def change(self, id: UUID, data: UserUpdate, principal: Principal) -> Representation:
        """Raises UserNotFound, UserForbidden, EmailTaken, LastAdministrator."""
        administers = isinstance(data, UserAdministration)
        changes = data.changes()
        administrators = await self._users.hold_administrators(id) if changes.keys() & {"role", "is_active"} else set()
        user = await self._users.lock(id, "administer" if administers else "change", principal)
        if changes.get("email", user.email) != user.email:
            user.email_verified = False
        was_administrator = user.is_administrator
        user.sqlmodel_update(changes)
        if was_administrator and not user.is_administrator:
            _demand_another(id, administrators)
        document = await self._users.get(id, principal)
        if not user.is_active:
            await self._sessions.revoke_all(id)
        return document

    async def change_password(self, data: PasswordChange, principal: Principal, address: str) -> None:
        """Ends every other session of the account. `address` is the client's: who has a session but not the password
        guesses like everybody else. Raises WrongPassword, TooManyAttempts.
        """
        found = await self._users.credentials_of(principal.user_id)
        if found is None:
            raise WrongPassword(pointer="/current_password")
        account, known = found
        matches = partial(self._passwords.matches, data.current_password, known.password_hash)
        if not await self._guesses.judged(account, address, matches):
            raise WrongPassword(pointer="/current_password")
        password_hash = await self._passwords.hash(data.new_password)
        user = await self._users.hold(known)
        if user is None:
            raise WrongPassword(pointer="/current_password")
        user.password_hash = password_hash
        await self._sessions.revoke_all(user.id, but=principal.session_id)

    async def delete(self, id: UUID, principal: Principal) -> None:
        """Delete an account, with what belongs to it. Raises UserNotFound, UserForbidden, LastAdministrator."""
        administrators = await self._users.hold_administrators(id)
        user = await self._users.lock(id, "delete", principal)
        if user.is_administrator:
            _demand_another(id, administrators)
        deletion_id = await self._users.delete(col(User.id) == id)
        await self._sessions.revoke_all(id)
        await self._events.publish(UserDeleted(id, deletion_id))

    async def restore(self, id: UUID, principal: Principal) -> Representation:
        """Bring an account back, with what went along. Raises UserNotFound, EmailTaken."""
        user = await self._users.lock(id, "restore", principal, include_deleted=True)
        deletion_id = user.deletion_id
        if deletion_id is not None:
            await self._users.restore_group(deletion_id)
            await self._events.publish(UserRestored(id, deletion_id))
        return await self._users.get(id, principal)

    async def promote(self, email: str) -> None:
        """Make the account with this address an administrator. Raises UserNotFound."""
        await self._users.promote(email)


def _demand_another(id: UUID, held: Set[UUID]) -> None:
    """Raises LastAdministrator when this one goes and no other of those that are held is left."""
    if id not in held:
        raise Contended  # They became one after we looked.
    if held == {id}:
        raise LastAdministrator
