"""Challenges: what a passkey signs, so that nobody can use an answer of another time or for another purpose.

They are signed and kept by nobody: anybody may ask for one, and none takes room in the database. Of those that were
answered, the number is kept until they are too old: each is good once.
"""

import hmac
import os
import time
from datetime import UTC, datetime

from sqlalchemy import DateTime, bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from modules.users.factors.models import SpentChallenge
from shared.keys import Keys
from shared.wire import Statement
from shared.writes import Change

GOOD_FOR = 300
"""Seconds: what WebAuthn Level 3 recommends as the default timeout of a ceremony."""
_NONCE = 16
_TIME = 8
_SPEND = Statement(
    insert(SpentChallenge)
    .values(nonce=bindparam("nonce"), expires_at=bindparam("expires_at", type_=DateTime(timezone=True)))
    .on_conflict_do_nothing()
    .returning(col(SpentChallenge.nonce))
)


class Challenges:
    """Gives challenges, and takes each of them once."""

    def __init__(self, keys: Keys) -> None:
        """The first key signs; all of them verify."""
        self._keys = keys

    def fresh(self, purpose: str) -> bytes:
        """A challenge for one purpose, such as a registration by one account."""
        head = os.urandom(_NONCE) + (int(time.time()) + GOOD_FOR).to_bytes(_TIME, "big")
        return head + self._signature(self._keys[0], head, purpose)

    def is_good(self, challenge: bytes, purpose: str) -> bool:
        """Whether it is one of ours for this purpose, and not too old."""
        head, signature = challenge[: _NONCE + _TIME], challenge[_NONCE + _TIME :]
        is_ours = any(hmac.compare_digest(self._signature(key, head, purpose), signature) for key in self._keys)
        return is_ours and _expiry(challenge) > time.time()

    async def spend(self, change: Change, challenge: bytes) -> bool:
        """Whether it was not answered before. Nor will it be again, if the change is kept; who comes at the same time
        waits to see.
        """
        values = {"nonce": challenge[:_NONCE], "expires_at": datetime.fromtimestamp(_expiry(challenge), UTC)}
        return bool(await change.unit.execute(_SPEND, values))

    def _signature(self, key: bytes, head: bytes, purpose: str) -> bytes:
        return hmac.digest(key, head + purpose.encode(), "sha256")


def _expiry(challenge: bytes) -> int:
    return int.from_bytes(challenge[_NONCE : _NONCE + _TIME], "big")
