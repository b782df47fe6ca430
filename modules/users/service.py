"""The rules of accounts."""

from collections.abc import Set
from dataclasses import replace
from uuid import UUID

from modules.users.errors import LastAdministrator, OwnAccount, OwnAddress, ServiceNoAddress, ServiceWithoutOwner
from modules.users.guesses import Guesses
from modules.users.keys.repository import KeyRepository
from modules.users.models import Role
from modules.users.notices import Notice, Notices
from modules.users.passwords import StrongPasswords
from modules.users.proof import CurrentPassword
from modules.users.recovery.confirmations import Confirmations
from modules.users.repository import UserRepository
from modules.users.schemas import PasswordChange, UserAdministration, UserCreate, UserUpdate
from modules.users.sessions.repository import SessionRepository
from shared.auth import RESTORE, Passwords, Principal
from shared.errors import Contended
from shared.reads import Representation
from shared.writes import Change


class UserService:
    """Registers, changes and deletes accounts."""

    def __init__(
        self,
        users: UserRepository,
        sessions: SessionRepository,
        keys: KeyRepository,
        *,
        passwords: Passwords,
        strong: StrongPasswords,
        proof: CurrentPassword,
        guesses: Guesses,
        confirmations: Confirmations,
        notices: Notices,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._keys = keys
        self._passwords = passwords
        self._strong = strong
        self._proof = proof
        self._guesses = guesses
        self._confirmations = confirmations
        self._notices = notices

    async def register(self, change: Change, data: UserCreate, address: str) -> Representation | None:
        """A new account; None where mail is sent: then its link makes the account, and nobody learns here whether the
        address has one. `address` is the client's. Raises EmailTaken, WeakPassword, TooManyRegistrations, TooManyMails,
        TooManySignIns.
        """
        self._passwords.demand_room()
        self._strong.demand(data.password, data.email, data.full_name, "/password")
        await self._guesses.count_registration(data.email, address)
        if self._confirmations.reach_people:
            await self._guesses.count_mail(await self._users.folded(data.email), None)
        password_hash = await self._passwords.hash(data.password)
        if self._confirmations.reach_people:
            await self._confirmations.ask_registration(change, data.email, data.full_name, password_hash)
            return None
        id = await self._users.add(
            change,
            email=data.email,
            full_name=data.full_name,
            password_hash=password_hash,
            role=Role.USER,
            is_active=True,
            email_verified=False,
        )
        # The new account reads itself. Whoever registers it is allowed nothing.
        registered = replace(change, principal=Principal(id), permissions=[])
        return await self._users.document(registered, id)

    async def change(self, change: Change, id: UUID, data: UserUpdate) -> Representation:
        """Raises UserNotFound, UserForbidden, OwnAddress, EmailTaken, LastAdministrator, OwnAccount,
        ServiceNoAdministrator, ServiceNoAddress.
        """
        administers = isinstance(data, UserAdministration)
        columns = data.changes()
        judged = columns.keys() & {"role", "is_active"}
        administrators = await self._users.hold_administrators(change, id) if judged else set()
        user = await self._users.lock(change, id, "administer" if administers else "change")
        if columns.get("email", user.email) != user.email:
            if id == change.caller.user_id:
                raise OwnAddress
            if user.owner_id is not None:
                raise ServiceNoAddress
            columns["email_verified"] = False
            await self._notices.tell(change, id, Notice.EMAIL_CHANGED)
        is_active, role = columns.get("is_active", user.is_active), columns.get("role", user.role)
        if user.is_administrator and not (is_active and role == Role.ADMIN):
            _demand_another(id, administrators)
            if id == change.caller.user_id:
                raise OwnAccount
        await self._users.update(change, user, **columns)
        document = await self._users.document(change, id)
        if not is_active:
            await self._end_all(change, id)
        return document

    async def change_password(self, change: Change, data: PasswordChange, address: str) -> None:
        """Ends every other session of the account. `address` is the client's. Raises WrongPassword, WeakPassword,
        TooManyAttempts.
        """
        known = await self._proof.demand(change, data.current_password, address)
        self._strong.demand(data.new_password, known.email, known.full_name)
        password_hash = await self._passwords.hash(data.new_password)
        await self._proof.hold(change, known, data.current_password)
        await self._users.set_password(change, known.user_id, password_hash)
        await self._notices.tell(change, known.user_id, Notice.PASSWORD_CHANGED)
        await self._sessions.revoke_all(change, known.user_id, but=change.caller.session_id)

    async def delete(self, change: Change, id: UUID) -> None:
        """Delete an account and its services, each with what belongs to it. Raises UserNotFound, UserForbidden,
        LastAdministrator.
        """
        administrators = await self._users.hold_administrators(change, id)
        user = await self._users.lock(change, id, "delete")
        if user.is_administrator:
            _demand_another(id, administrators)
        for one in (user, *await self._users.lock_services(change, id)):
            await self._users.delete(change, one)
        await self._end_all(change, id)

    async def restore(self, change: Change, id: UUID) -> Representation:
        """Restore an account, with what was deleted along with it: its document. Raises ServiceWithoutOwner, and as
        `restore` and `lock` of its repository.
        """
        user = await self._users.lock(change, id, RESTORE, include_deleted=True)
        comes_back = user.deleted_at is not None
        # Without its owner it would be nobody's, and keep that one from being purged.
        if comes_back and user.owner_id is not None and not await self._users.hold_live(change, user.owner_id):
            raise ServiceWithoutOwner
        await self._users.restore(change, user)
        return await self._users.document(change, id)

    async def _end_all(self, change: Change, id: UUID) -> None:
        """All by which somebody acts as the account, for good: it may come back, and they may have been stolen."""
        await self._sessions.revoke_all(change, id)
        await self._keys.revoke_all(change, id)

    async def promote(self, change: Change, email: str) -> None:
        """Make the account with this address an administrator. Raises UserNotFound."""
        await self._users.promote(change, email)


def _demand_another(id: UUID, held: Set[UUID]) -> None:
    """Raises LastAdministrator when this one goes and no other of those that are held is left."""
    if id not in held:
        raise Contended  # They became one after we looked.
    if held == {id}:
        raise LastAdministrator
