"""Access tokens: JWT (RFC 7519) of the type and with the claims that RFC 9068 names, HS256, short-lived, bound to a
session.
"""

import time
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import jwt

from shared.errors import Unauthenticated
from shared.keys import Keys

ALGORITHM = "HS256"
TYPE = "at+jwt"
"""RFC 9068 §2.1: no other JWT of ours can be taken for an access token (RFC 8725 §3.11)."""
ISSUER = "trellis"
AUDIENCE = "trellis-api"
SCOPE = "read write"
"""A token allows all that its account may do."""
SKEW_SECONDS = 60
"""How far ahead the clock of the replica that issued a token may be. `exp` has no leeway."""


class InvalidToken(Unauthenticated):
    """This access token is not valid, or no longer. Refresh it, or sign in again."""


class Claims(NamedTuple):
    """What a verified access token says."""

    user_id: UUID
    session_id: UUID
    expires_at: int


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(self, keys: Keys, lifetime_seconds: int) -> None:
        self._keys = keys
        self.lifetime_seconds = lifetime_seconds
        # A client sends its token with every request for 15 minutes, and a valid signature stays valid: to verify it
        # takes 25-40 µs, the cache 0.1 µs. Expiry is checked each time; the session is checked elsewhere.
        self._verified = lru_cache(maxsize=10_000)(self._decode)

    def issue(self, user_id: UUID, session_id: UUID) -> str:
        """A token for this session, good for `lifetime_seconds`."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": str(user_id), "sid": str(session_id), "iat": now}
        return jwt.encode(claims | {"exp": now + self.lifetime_seconds}, self._keys[0], ALGORITHM, {"typ": TYPE})

    def verify(self, token: str) -> Claims:
        """The token's claims. Raises InvalidToken for a token that is foreign, malformed or expired."""
        try:
            claims = self._verified(token)
        except (jwt.InvalidTokenError, ValueError) as error:
            raise InvalidToken from error
        if claims.expires_at <= time.time():
            raise InvalidToken
        return claims

    def _decode(self, token: str) -> Claims:
        for key in self._keys[:-1]:
            with suppress(jwt.InvalidSignatureError):
                return self._decoded(token, key)
        return self._decoded(token, self._keys[-1])

    def _decoded(self, token: str, key: bytes) -> Claims:
        options: Any = {"require": ["exp", "iat", "iss", "aud", "sub", "sid"], "strict_aud": True}
        decoded = jwt.decode_complete(
            token, key, [ALGORITHM], issuer=ISSUER, audience=AUDIENCE, leeway=SKEW_SECONDS, options=options
        )
        if decoded["header"].get("typ") != TYPE:
            raise InvalidToken
        claims = decoded["payload"]
        return Claims(UUID(claims["sub"]), UUID(str(claims["sid"])), int(claims["exp"]))
