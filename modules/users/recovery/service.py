"""The rules of recovery: a forgotten password, and addresses that are shown to be somebody's."""

from functools import partial

from modules.users.errors import WrongPassword
from modules.users.factors.service import FactorService
from modules.users.guesses import Guesses
from modules.users.keys.repository import KeyRepository
from modules.users.models import Role, User
from modules.users.notices import Notice, Notices
from modules.users.passwords import StrongPasswords
from modules.users.proof import CurrentPassword
from modules.users.recovery.confirmations import Confirmations, digest_of
from modules.users.recovery.errors import LinkNotValid, MailNotConfigured, PasswordRequired
from modules.users.recovery.models import Confirmation, Purpose
from modules.users.recovery.repository import ConfirmationRepository
from modules.users.recovery.schemas import AddressChange, AddressConfirmation, Reset
from modules.users.repository import UserRepository
from modules.users.sessions.repository import SessionRepository
from shared.auth import Passwords
from shared.writes import Change


class RecoveryService:
    """Sets passwords and addresses for who reads the mails of an account."""

    def __init__(
        self,
        users: UserRepository,
        sessions: SessionRepository,
        stored: ConfirmationRepository,
        *,
        keys: KeyRepository,
        factors: FactorService,
        confirmations: Confirmations,
        passwords: Passwords,
        strong: StrongPasswords,
        proof: CurrentPassword,
        guesses: Guesses,
        notices: Notices,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._stored = stored
        self._keys = keys
        self._factors = factors
        self._confirmations = confirmations
        self._passwords = passwords
        self._strong = strong
        self._proof = proof
        self._guesses = guesses
        self._notices = notices

    async def ask_reset(self, change: Change, email: str, address: str) -> None:
        """Mail a link that sets another password, if there is such an account: the same is done if there is none, so
        that the time tells nothing. `address` is the client's. Raises MailNotConfigured, TooManyMails.
        """
        self._demand_configured()
        await self._guesses.count_mail(await self._users.folded(email), address)
        await self._confirmations.ask_reset(change, email)

    async def reset(self, change: Change, data: Reset, address: str) -> None:
        """Set a password by a token, and end every session. Who has read the mail is the owner: guesses of others keep
        them no more from signing in. Of an account whose address was not verified, they may not have been the owner
        until now: whatever else lets somebody in goes as well. Raises LinkNotValid, WeakPassword.
        """
        digest = digest_of(data.token)
        found = await self._stored.reset_account(digest)  # Before a password is hashed for nobody.
        if found is None:
            raise LinkNotValid
        account, full_name = found
        self._strong.demand(data.new_password, account, full_name)
        password_hash = await self._passwords.hash(data.new_password)
        user = await self._stored.use_reset(change, digest)
        if user is None:
            raise LinkNotValid
        await self._users.set_password(change, user.id, password_hash)
        if not user.email_verified:
            await self._users.update(change, user, email_verified=True)
            await self._keys.revoke_all(change, user.id)
            await self._factors.clear(change, user.id)
        await self._sessions.revoke_all(change, user.id)
        await self._guesses.remember(change, account, address)
        await self._notices.tell(change, user.id, Notice.PASSWORD_CHANGED)

    async def ask_address(self, change: Change, address: str) -> None:
        """Mail a link to the caller's own address. Raises MailNotConfigured, TooManyMails."""
        me = change.caller.user_id
        self._demand_configured()
        await self._guesses.count_mail(str(me), address)
        await self._confirmations.ask_address(change, me)

    async def change_address(self, change: Change, data: AddressChange, address: str) -> bool:
        """Give the caller's account another address: at once without mail, or when the new one confirms, and then this
        is False. Raises WrongPassword, TooManyAttempts, TooManyMails, EmailTaken.
        """
        me = change.caller.user_id
        known = await self._proof.demand(change, data.current_password, address)
        if self._confirmations.is_configured:  # No earlier, or who is mailed nothing could not ask for mail.
            await self._guesses.count_mail(await self._users.folded(data.email), address)
        await self._proof.hold(change, known, data.current_password)
        user = await self._users.lock(change.about(me), me, "change")
        if self._confirmations.is_configured:
            await self._confirmations.ask_address(change, me, data.email)
            return False
        if user.email != data.email:
            await self._users.update(change, user, email=data.email, email_verified=False)
        return True

    async def confirm(self, change: Change, data: AddressConfirmation, address: str) -> None:
        """Make true what the mail with this token asked. `address` is the client's. Raises LinkNotValid, EmailTaken;
        of a registration PasswordRequired, WrongPassword, TooManyAttempts, TooManySignIns.
        """
        digest = digest_of(data.token)
        password_hash = await self._stored.registration(digest)
        if password_hash is not None:
            await self._demand_registrant(digest, data.password, password_hash, address)
        used = await self._stored.use(change, digest)
        if used is None:
            raise LinkNotValid
        if used.purpose == Purpose.REGISTRATION:
            await self._register(change, used)
            return
        user = await self._stored.lock_account(change, used)
        if user is None:
            raise LinkNotValid
        await self._set_address(change, user, used.email or user.email)

    async def _demand_registrant(self, digest: bytes, password: str | None, password_hash: str, address: str) -> None:
        """Whoever uses the link has registered, and has not got the mail of somebody else's registration. Guesses are
        counted by the link: by the address, others would keep its owner from it.
        """
        if password is None:
            raise PasswordRequired(pointer="/password")
        matches = partial(self._passwords.matches, password, password_hash)
        if not await self._guesses.judged(f"registration {digest.hex()}", address, matches):
            raise WrongPassword(pointer="/password")

    async def _set_address(self, change: Change, user: User, email: str) -> None:
        if user.email != email:  # Also where PostgreSQL folds both alike: it may be another mailbox.
            await self._notices.tell(change, user.id, Notice.EMAIL_CHANGED)
        await self._users.update(change, user, email=email, email_verified=True)

    async def _register(self, change: Change, used: Confirmation) -> None:
        await self._users.add(
            change,
            email=used.email,
            full_name=used.full_name,
            password_hash=used.password_hash,
            role=Role.USER,
            is_active=True,
            email_verified=True,
        )

    def _demand_configured(self) -> None:
        if not self._confirmations.is_configured:
            raise MailNotConfigured
