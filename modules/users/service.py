"""The rules of accounts."""

from uuid import UUID

from sqlmodel import col

from modules.users.api import UserDeleted, UserRestored
from modules.users.errors import WrongPassword
from modules.users.models import Role, User
from modules.users.repository import SessionRepository, UserRepository
from modules.users.schemas import PasswordChange, UserAdministration, UserCreate, UserUpdate
from shared.auth.passwords import Passwords
from shared.auth.principal import Principal
from shared.events import Events
from shared.persistence.repository import Representation


class UserService:
    """Registers, changes, deletes and restores accounts."""

    def __init__(
        self, users: UserRepository, sessions: SessionRepository, passwords: Passwords, events: Events
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
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
        """Raises UserNotFound, UserForbidden, EmailTaken."""
        administers = isinstance(data, UserAdministration)
        user = await self._users.lock(id, "administer" if administers else "change", principal)
        changes = data.changes()
        if changes.get("email", user.email) != user.email:
            user.email_verified = False
        user.sqlmodel_update(changes)
        document = await self._users.get(id, principal)
        if not user.is_active:
            await self._sessions.revoke_all(id)
        return document

    async def change_password(self, data: PasswordChange, principal: Principal) -> None:
        """Ends every other session of the account. Raises WrongPassword."""
        known = await self._users.credentials_of(principal.user_id)
        if not await self._passwords.matches(data.current_password, known and known.password_hash):
            raise WrongPassword(pointer="/current_password")
        password_hash = await self._passwords.hash(data.new_password)
        user = known and await self._users.hold(known)
        if user is None:
            raise WrongPassword(pointer="/current_password")
        user.password_hash = password_hash
        await self._sessions.revoke_all(user.id, but=principal.session_id)

    async def delete(self, id: UUID, principal: Principal) -> None:
        """Delete an account, with what belongs to it. Raises UserNotFound, UserForbidden."""
        await self._users.lock(id, "delete", principal)
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
