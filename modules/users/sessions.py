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

from modules.users.errors import InvalidGrant, InvalidRequest, UnsupportedGrantType
from modules.users.guesses import Guesses
from modules.users.models import REUSE_LEEWAY
from modules.users.repository import SessionRepository, UserRepository
from modules.users.schemas import TokenRequest, Tokens
from shared.auth import SCOPE, AccessTokens, Passwords, TooManySignIns
from shared.settings import Settings
from shared.writes import Change


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


class SessionService:
    """Opens, prolongs and ends sessions."""

    def __init__(
        self,
        users: UserRepository,
        sessions: SessionRepository,
        *,
        passwords: Passwords,
        guesses: Guesses,
        access_tokens: AccessTokens,
        refresh_key: bytes,
        lifetimes: Lifetimes,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._guesses = guesses
        self._access_tokens = access_tokens
        self._refresh_key = refresh_key
        self._lifetimes = lifetimes

    async def grant(self, change: Change, request: TokenRequest, address: str) -> Tokens | None:
        """Tokens for good credentials or a good refresh token; None when a refresh token that was used before has
        ended its session. `address` is the client's. Raises InvalidGrant, InvalidRequest, UnsupportedGrantType,
        TooManyAttempts.
        """
        match request.grant_type:
            case "password" if request.username and request.password:
                return await self._sign_in(change, request.username, request.password, address)
            case "refresh_token" if request.refresh_token:
                return await self._refresh(change, request.refresh_token)
            case "password" | "refresh_token" | None:
                raise InvalidRequest
            case _:
                raise UnsupportedGrantType

    async def revoke(self, change: Change, token: str) -> None:
        """End the session of a refresh token. One that is not known needs no ending (RFC 7009 §2.2)."""
        found = await self._sessions.lock(change, _digest(token))
        if found is not None:
            await self._sessions.revoke(change, found.session)

    async def _sign_in(self, change: Change, username: str, password: str, address: str) -> Tokens:
        self._passwords.demand_room()
        account, known = await self._users.credentials(username)
        matches = partial(self._passwords.matches, password, known and known.password_hash)
        if not await self._guesses.judged(account, address, matches) or known is None:
            raise InvalidGrant
        renewed = await self._renewed(known.password_hash, password)
        # The password may have been changed meanwhile, and the change ends only the sessions that there are.
        if not await self._users.hold(change, known):
            raise InvalidGrant
        if renewed is not None:
            await self._users.set_password(change, known.user_id, renewed)
        now = datetime.now(UTC)
        session_id = await self._sessions.open(change, known.user_id, now, now + min(self._lifetimes))
        await self._guesses.remember(change, account, address)
        refresh_token = secrets.token_urlsafe(32)
        await self._sessions.add_token(change, _digest(refresh_token), session_id)
        return self._tokens(known.user_id, session_id, refresh_token)

    async def _renewed(self, encoded: str, password: str) -> str | None:
        """A hash with today's parameters for one that was made with others. It is made before the account is locked,
        since it takes a while, and not at all in a crowd: the next sign-in will do.
        """
        if self._passwords.is_outdated(encoded):
            with suppress(TooManySignIns):
                return await self._passwords.hash(password)
        return None

    async def _refresh(self, change: Change, token: str) -> Tokens | None:
        successor = self._successor(token)
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
        await self._sessions.add_token(change, _digest(successor), session.id)
        return self._tokens(session.user_id, session.id, successor)

    def _successor(self, token: str) -> str:
        """The same whenever the token is used: who asks again, as the answer was lost, does not fork the lineage."""
        derived = hmac.digest(self._refresh_key, token.encode(), "sha256")
        return base64.urlsafe_b64encode(derived).rstrip(b"=").decode()

    def _tokens(self, user_id: UUID, session_id: UUID, refresh_token: str) -> Tokens:
        return Tokens(
            access_token=self._access_tokens.issue(user_id, session_id),
            refresh_token=refresh_token,
            expires_in=self._access_tokens.lifetime_seconds,
            scope=SCOPE,
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
