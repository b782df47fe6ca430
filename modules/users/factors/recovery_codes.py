"""Recovery codes: ten that are good once each, for who has lost what else they sign in with."""

import hashlib
import re
import secrets
from base64 import b32encode
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, func, select
from sqlmodel import col

from modules.users.factors.models import RecoveryCode
from shared.wire import Database, Run, Statement
from shared.writes import Change, Verbs

AT_ONCE = 10
BYTES = 15
"""120 random bits, more than the 112 from which on a plain hash will do (ASVS 6.5.2); 24 characters."""

_OF_USER = col(RecoveryCode.user_id) == bindparam("of_user", type_=Uuid())
_LEFT = Statement(select(func.count()).select_from(RecoveryCode).where(_OF_USER))
_DROP = Statement(delete(RecoveryCode).where(_OF_USER))
_USE = Statement(
    delete(RecoveryCode)
    .where(_OF_USER, col(RecoveryCode.digest) == bindparam("digest"))
    .returning(col(RecoveryCode.digest))
)


def digest_of(code: str) -> bytes:
    """Of a code as somebody types it: in capitals, perhaps, or without the hyphens."""
    return hashlib.sha256(_letters(code).encode()).digest()


def looks_like_one(code: str) -> bool:
    """Whether this can be a recovery code. Nobody finds one by trying, so tries need not be counted."""
    return re.fullmatch("[a-z2-7]{24}", _letters(code)) is not None


def _letters(code: str) -> str:
    return re.sub(r"[\s-]", "", code).lower()


class RecoveryCodes:
    """The recovery codes of accounts, of which only digests are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: Verbs[RecoveryCode] = Verbs(RecoveryCode)

    async def left(self, user_id: UUID, read: Run | None = None) -> int:
        """How many an account has."""
        read = read or self._database.read
        ((left,),) = await read(_LEFT, {"of_user": user_id})
        return int(left)

    async def renewed(self, change: Change, user_id: UUID) -> list[str]:
        """New ones in the place of all that there were, of an account that is held."""
        await self.drop(change, user_id)
        codes = [_code() for _ in range(AT_ONCE)]
        for code in codes:
            await self._rows.insert(change, digest=digest_of(code), user_id=user_id)
        return codes

    async def drop(self, change: Change, user_id: UUID) -> None:
        """Have an account have none."""
        await change.unit.execute(_DROP, {"of_user": user_id})

    async def use(self, change: Change, user_id: UUID, code: str) -> bool:
        """Whether it was still good; from now on it is not. Of two who come with one code, the second waits to see."""
        return bool(await change.unit.execute(_USE, {"of_user": user_id, "digest": digest_of(code)}))


def _code() -> str:
    """Base32 in small letters has neither 0 nor 1 nor 8 to be taken for o, l or b."""
    letters = b32encode(secrets.token_bytes(BYTES)).decode().lower()
    return "-".join(letters[start : start + 6] for start in range(0, len(letters), 6))
