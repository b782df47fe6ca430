"""Passkeys: how an account gets one, and how one signs in with it, without a password (W3C WebAuthn Level 3)."""

from uuid import UUID

from modules.users.factors.challenges import Challenges
from modules.users.factors.errors import NoPasskeysHere, PasskeyInvalid, PasskeyRefused
from modules.users.factors.models import FactorKind
from modules.users.factors.relying_party import RelyingParty, challenge_in, id_of, owner_in
from modules.users.factors.repository import FactorRepository
from modules.users.factors.schemas import Assertion, PasskeyCreate
from modules.users.factors.service import Added, FactorService
from modules.users.sessions.repository import Client
from modules.users.sessions.service import SessionService, SignIn
from shared.writes import Change

_SIGN_IN = "sign in"


class PasskeyService:
    """Registers passkeys, and opens sessions with them."""

    def __init__(
        self,
        factors: FactorRepository,
        service: FactorService,
        challenges: Challenges,
        sessions: SessionService,
        relying_party: RelyingParty | None,
    ) -> None:
        self._factors = factors
        self._service = service
        self._challenges = challenges
        self._sessions = sessions
        self._relying_party = relying_party

    async def begin(self, change: Change) -> str:
        """The options for a new passkey of the caller's. Raises NoPasskeysHere, and InvalidToken."""
        user_id, party = change.caller.user_id, self._party()
        email = await self._service.hold(change)
        known = await self._factors.credentials(change, user_id)
        return party.creation(user_id, email, known, self._challenges.fresh(_registration(user_id)))

    async def register(self, change: Change, data: PasskeyCreate) -> Added:
        """The passkey that a browser made of the options. Raises NoPasskeysHere, PasskeyInvalid, PasskeyKnown,
        TooManyFactors, and InvalidToken.
        """
        user_id, party, challenge = change.caller.user_id, self._party(), challenge_in(data.credential)
        is_ours = self._challenges.is_good(challenge, _registration(user_id))
        passkey = party.created(data.credential, challenge) if is_ours else None
        if passkey is None:
            raise PasskeyInvalid(pointer="/credential")
        await self._service.make_room(change)
        if not await self._challenges.spend(change, challenge):
            raise PasskeyInvalid(pointer="/credential")
        id = await self._factors.add(
            change,
            user_id=user_id,
            kind=FactorKind.PASSKEY,
            name=data.name,
            key_material=passkey.public_key,
            credential_id=passkey.credential_id,
        )
        return await self._service.added(change, id, data.name, passkey.sign_count)

    def begin_sign_in(self) -> str:
        """The options for a sign-in, whoever it is. Raises NoPasskeysHere."""
        return self._party().request(self._challenges.fresh(_SIGN_IN))

    async def sign_in(self, change: Change, credential: Assertion, client: Client) -> SignIn:
        """A new session for what a passkey has signed. Raises NoPasskeysHere, and PasskeyRefused."""
        party, challenge = self._party(), challenge_in(credential)
        if not self._challenges.is_good(challenge, _SIGN_IN):
            raise PasskeyRefused
        owner = await self._factors.passkey(change, id_of(credential))
        if owner is None or owner.user_id.bytes != owner_in(credential):
            raise PasskeyRefused
        sign_count = party.signed(credential, challenge, owner.key_material, owner.sign_count)
        if sign_count is None or not await self._challenges.spend(change, challenge):
            raise PasskeyRefused
        if not await self._factors.use(change, owner.id, sign_count):
            raise PasskeyRefused
        return await self._sessions.open(change, owner.user_id, client)

    def _party(self) -> RelyingParty:
        if self._relying_party is None:
            raise NoPasskeysHere
        return self._relying_party


def _registration(user_id: UUID) -> str:
    return f"registration by {user_id}"
