"""The rules of sessions: signing in, prolonging with rotating refresh tokens, signing out."""

import base64
import hashlib
import hmac
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from modules.users.factors.errors import SecondFactorRequired
from modules.users.factors.recovery_codes import looks_like_one
from modules.users.factors.second_factor import SecondFactor
from modules.users.guesses import Guesses
from modules.users.models import REUSE_LEEWAY
from modules.users.recovery.repository import ConfirmationRepository
from modules.users.repository import UserRepository
from modules.users.sessions.crowd import Crowd
from modules.users.sessions.errors import InvalidCredentials, InvalidGrant, InvalidRequest, UnsupportedGrantType
from modules.users.sessions.repository import Client, SessionRepository
from modules.users.sessions.schemas import TokenRequest, Tokens
from shared.auth import SCOPE, AccessTokens, Passwords, Principal, TooManySignIns
from shared.errors import Unauthenticated
from shared.keys import Keys
from shared.observing import current_activity
from shared.reads import ListQuery, Page
from shared.settings import Settings
from shared.writes import Change

NO_ROOM_FOR_A_CODE = (
    "This account has a second factor, and this grant has no room for its code: sign in with POST /auth/sessions."
)


class Lifetimes(NamedTuple):
    """Of sessions."""

    idle: timedelta
    """After the last refresh."""
    longest: timedelta
    """After the sign-in."""

    @classmethod
    def of(cls, settings: Settings) -> "Lifetimes":
        """As the operator has set them."""
        return cls(timedelta(seconds=settings.refresh_token_seconds), timedelta(seconds=settings.session_seconds))


class SignIn(NamedTuple):
    """A new session."""

    session_id: UUID
    tokens: Tokens
    document: bytes
    """The session's, in JSON."""

    def to_json(self) -> bytes:
        """The tokens, and the session."""
        return b'%b,"session":%b}' % (self.tokens.model_dump_json().removesuffix("}").encode(), self.document)


class SessionService:
    """Opens, prolongs and ends sessions."""

    def __init__(
        self,
        users: UserRepository,
        sessions: SessionRepository,
        confirmations: ConfirmationRepository,
        *,
        passwords: Passwords,
        guesses: Guesses,
        crowd: Crowd,
        second_factor: SecondFactor,
        access_tokens: AccessTokens,
        refresh_keys: Keys,
        lifetimes: Lifetimes,
        takes_passwords: bool,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._confirmations = confirmations
        self._passwords = passwords
        self._guesses = guesses
        self._crowd = crowd
        self._second_factor = second_factor
        self._access_tokens = access_tokens
        self._refresh_keys = refresh_keys
        self._lifetimes = lifetimes
        self._takes_passwords = takes_passwords

    async def sign_in(
        self, change: Change, email: str, password: str, client: Client, code: str | None = None
    ) -> SignIn:
        """A new session for good credentials. Raises InvalidCredentials, TooManyAttempts, TooManySignIns."""
        self._passwords.demand_room()
        with self._crowd.at_the_door(email, client.address):
            account, known = await self._users.credentials(email)
            await self._crowd.demand_room(account, client.address)
        matches = partial(self._passwords.matches, password, known and known.password_hash)
        with self._passwords.sign_in():
            is_right = await self._guesses.judged(account, client.address, matches)
        if not is_right or known is None:
            raise InvalidCredentials
        renewed = await self._renewed(known.password_hash, password)
        counted: list[bytes] = []
        if code is not None and not looks_like_one(code):
            counted = await self._guesses.count_code(account, client.address)  # Before it is looked at.
        # The password may have been changed meanwhile, and the change ends only the sessions that there are.
        held = await self._users.hold(change, known, partial(self._passwords.matches, password))
        if held is None:
            raise InvalidCredentials
        await self._second_factor.demand(change, known.user_id, code)
        if renewed is not None and held.password_hash == known.password_hash:  # Else another sign-in has renewed it.
            await self._confirmations.keep_good(change, known.user_id, renewed)
            await self._users.set_password(change, known.user_id, renewed)
        if counted:
            await self._guesses.forget_codes(change, counted)
        await self._guesses.remember(change, account, client.address)
        self._crowd.remember(email, client.address)
        return await self.open(change, known.user_id, client)

    async def open(self, change: Change, user_id: UUID, client: Client) -> SignIn:
        """A new session of an account that is held, and whose owner has shown who they are."""
        current_activity.get().principal = user_id  # The line in the log names who signs in (ASVS 16.3.1).
        now = datetime.now(UTC)
        id = await self._sessions.open(change, user_id, client, now, now + min(self._lifetimes))
        refresh_token = secrets.token_urlsafe(32)
        await self._sessions.add_token(change, _digest(refresh_token), id)
        document = await self._sessions.document(change, id, Principal(user_id, id))
        return SignIn(id, self._tokens(user_id, id, refresh_token), document)

    async def grant(self, change: Change, request: TokenRequest, client: Client) -> Tokens | None:
        """Tokens for a good refresh token, or for good credentials where that is allowed; None when a refresh token
        that was used before has ended its session. Raises InvalidGrant, InvalidRequest, UnsupportedGrantType,
        TooManyAttempts, TooManySignIns.
        """
        match request.grant_type:
            case "password" if not self._takes_passwords:
                raise UnsupportedGrantType
            case "password" if request.username and request.password:
                try:
                    return (await self.sign_in(change, request.username, request.password, client)).tokens
                except SecondFactorRequired as refusal:
                    raise InvalidGrant(NO_ROOM_FOR_A_CODE) from refusal
                except Unauthenticated as refusal:
                    raise InvalidGrant from refusal
            case "refresh_token" if request.refresh_token:
                return await self._refresh(change, request.refresh_token)
            case "password" | "refresh_token" | None:
                raise InvalidRequest
            case _:
                raise UnsupportedGrantType

    async def list_of(self, user_id: UUID, principal: Principal, query: ListQuery) -> Page:
        """A page of the sessions of any account, for an administrator. Raises UserNotFound, InvalidCursor, and
        InvalidToken when the administrator's session has ended.
        """
        page = await self._sessions.list(user_id, principal, query)
        if page.items == b"[]":  # Past the end, or of no account.
            await self._users.get(user_id, principal)
        return page

    async def end_of(self, change: Change, user_id: UUID, id: UUID) -> None:
        """End a session of any account, by an administrator. Raises SessionNotFound, and as `end_all_of`."""
        await self._note_the_end(change, user_id)
        await self._sessions.end(change, user_id, id)

    async def end_all_of(self, change: Change, user_id: UUID) -> None:
        """End every session of any account, by an administrator. Raises UserNotFound, UserForbidden, InvalidToken."""
        await self._note_the_end(change, user_id)
        await self._sessions.revoke_all(change, user_id)

    async def revoke(self, change: Change, token: str) -> None:
        """End the session of a refresh token. One that is not known needs no ending (RFC 7009 §2.2)."""
        found = await self._sessions.lock(change, _digest(token))
        if found is not None:
            await self._sessions.revoke(change, found.session)

    async def _note_the_end(self, change: Change, user_id: UUID) -> None:
        user = await self._users.lock(change, user_id, "administer")
        await self._users.update(change, user, sessions_ended_at=datetime.now(UTC))

    async def _renewed(self, encoded: str, password: str) -> str | None:
        """A hash as it is made today for one that was made otherwise. It is made before the account is locked, since it
        takes a while, and not at all in a crowd: the next sign-in will do.
        """
        with suppress(TooManySignIns):
            if await self._passwords.is_outdated(encoded, password):
                return await self._passwords.hash(password)
        return None

    async def _refresh(self, change: Change, token: str) -> Tokens | None:
        successors = [_successor(key, token) for key in self._refresh_keys]
        for successor in successors:
            repeated = await self._sessions.repeated(_digest(token), _digest(successor), self._lifetimes.longest)
            if repeated is not None:  # Without a lock, for which a crowd of them would wait on every connection.
                return self._tokens(*repeated, successor)
        found = await self._sessions.lock(change, _digest(token))
        if found is None:
            raise InvalidGrant
        session, used_at, now = found
        ends_at = session.created_at + self._lifetimes.longest
        if not session.is_alive(now) or ends_at <= now:
            raise InvalidGrant
        if used_at is not None and used_at + REUSE_LEEWAY < now:
            # Two hold the same token, and one of them stole it (RFC 9700 §4.14.2): neither goes on.
            await self._sessions.revoke(change, session)
            return None
        expires_at = min(now + self._lifetimes.idle, ends_at)
        await self._sessions.prolong(change, _digest(token), used_at or now, session, expires_at)
        await self._sessions.add_token(change, _digest(successors[0]), session.id)
        return self._tokens(session.user_id, session.id, successors[0])

    def _tokens(self, user_id: UUID, session_id: UUID, refresh_token: str) -> Tokens:
        return Tokens(
            access_token=self._access_tokens.issue(user_id, session_id),
            refresh_token=refresh_token,
            expires_in=self._access_tokens.lifetime_seconds,
            scope=SCOPE,
        )


def _successor(key: bytes, token: str) -> str:
    """The same whenever the token is used: who asks again, as the answer was lost, does not fork the lineage."""
    return base64.urlsafe_b64encode(hmac.digest(key, token.encode(), "sha256")).rstrip(b"=").decode()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
