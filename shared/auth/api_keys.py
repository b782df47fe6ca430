"""API keys: bearer tokens of machines. They last long, and may do only what their scopes name."""

import hashlib
import re
import secrets
import string
import time
import zlib
from collections import OrderedDict
from uuid import UUID

from sqlalchemy import Select

from shared.auth.principal import Principal
from shared.auth.tokens import InvalidToken
from shared.extensions import ExtensionPoint, Extensions
from shared.wire import Database, Statement

PREFIX = "trellis_"
PATTERN = rf"{PREFIX}[0-9A-Za-z]{{49}}"
"""By which scanners of repositories find a key: the prefix, 43 random characters, and 6 that are their CRC-32."""
SHOWN = len(PREFIX) + 6
"""Of a key that is kept as a digest, so many of its first characters tell which one it is: 220 bits stay secret."""

MOST_KNOWN = 10_000
LOOKED_UP_EVERY = 3600.0
"""Seconds after which a process looks a key up again, and so notes that it is in use."""

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 43
"""Of 62 digits: 256 bits, so its digest needs no salt."""
_CHECKSUM = 6

known_keys: ExtensionPoint[Select[UUID, UUID, list[str]]] = ExtensionPoint("auth.known_keys")
"""The statement that gives the account, the id and the scopes of the key with the digest `:digest`, and notes its use
now and then. The id is that of a session: `live_sessions` says whether the key is alive. The module that owns accounts
contributes it."""


def new_key() -> str:
    """A key, which is to be shown once and kept as `digest_of` it."""
    body = "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM))
    return f"{PREFIX}{body}{_checksum(body)}"


def digest_of(token: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(token.encode()).digest()


def is_key(token: str) -> bool:
    """Whether a token can be a key: most of what is not one is found without the database."""
    if re.fullmatch(PATTERN, token) is None:
        return False
    body = token.removeprefix(PREFIX)
    return _checksum(body[:_RANDOM]) == body[_RANDOM:]


def _checksum(body: str) -> str:
    number, written = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        written = _DIGITS[digit] + written
    return written


class ApiKeys:
    """Finds whose a key is. Account, id and scopes of a key never change, so a process remembers them."""

    def __init__(self, database: Database, extensions: Extensions) -> None:
        self._database = database
        self._statement = next((Statement(one) for one in extensions[known_keys]), None)
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    def known(self, token: str) -> Principal:
        """Whom a key names that was looked up before. Raises InvalidToken for any other."""
        principal, _ = self._known.get(token, (None, 0.0))
        if principal is None:
            raise InvalidToken
        return principal

    async def caller(self, token: str) -> Principal:
        """Whom the key names; it may be revoked or expired. Raises InvalidToken for what is no key of ours."""
        known, since = self._known.get(token, (None, 0.0))
        if known is not None and time.monotonic() < since + LOOKED_UP_EVERY:
            return known
        if not is_key(token) or self._statement is None:
            raise InvalidToken
        if known is not None:
            self._remember(token, known)  # Others need not wait for the look-up that follows.
        async with self._database.unit_of_work() as unit:  # check: a use is noted whatever becomes of the request
            found = await unit.execute(self._statement, {"digest": digest_of(token)})
        if not found:
            raise InvalidToken
        ((user_id, id, scopes),) = found
        return self._remember(token, Principal(user_id, id, scopes=frozenset(scopes)))

    def _remember(self, token: str, principal: Principal) -> Principal:
        self._known[token] = principal, time.monotonic()
        self._known.move_to_end(token)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return principal
