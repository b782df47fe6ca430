"""The tables of second factors: what an account may have to show beside its password, or in the place of it."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Index, func, text
from sqlmodel import Field

from modules.users.factors.errors import PasskeyKnown
from shared.rows import SECRET, Identified, Model, choice, expiring, recorded_with, table_of


class FactorKind(StrEnum):
    """What a second factor is."""

    TOTP = "totp"
    PASSKEY = "passkey"


class Factor(Model, Identified, table=True):
    """An authenticator app or a passkey. The journal tells of it in the account's history, but not of each use: that is
    in a table of its own.
    """

    __tablename__ = "factors"
    __table_args__ = (Index("ix_factors_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),)

    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    kind: FactorKind = Field(sa_type=choice(FactorKind))
    name: str = Field(max_length=200)
    created_at: datetime = Field(default=None, nullable=False, sa_column_kwargs={"server_default": func.now()})
    expires_at: datetime | None = None
    """When one that waits for its first code is given up; NULL once it is confirmed."""
    key_material: bytes = Field(sa_column_kwargs=SECRET)
    """The secret of an app, sealed; the public key of a passkey, in COSE (RFC 9052)."""
    credential_id: bytes | None = Field(default=None, unique=True, sa_column_kwargs=SECRET)
    """What a passkey is found by; NULL for an app."""


recorded_with(Factor, "user_id")
PasskeyKnown.tells_of("uq_factors_credential_id")


class FactorUse(Model, table=True):
    """When a factor was used last. Whoever has copied what was used then comes with no higher counter."""

    __tablename__ = "factor_uses"

    factor_id: UUID = Field(foreign_key="factors.id", primary_key=True, ondelete="CASCADE")
    counter: int = Field(sa_type=BigInteger)
    """The time step of an app's last code; the number of signatures that a passkey tells, 0 for one that does not."""
    used_at: datetime


class RecoveryCode(Model, table=True):
    """A code that is good once, for who has lost their factors. Only its digest is kept: it has 120 random bits, and so
    needs neither salt nor a slow hash (ASVS 6.5.2).
    """

    __tablename__ = "recovery_codes"

    digest: bytes = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")


class SpentChallenge(Model, table=True):
    """A challenge that was answered. It is kept until it would be too old in any case."""

    __tablename__ = "spent_challenges"

    nonce: bytes = Field(primary_key=True)
    expires_at: datetime = Field(index=True)


expiring(Factor, table_of(Factor).c.expires_at, lambda _: timedelta(0))
expiring(SpentChallenge, table_of(SpentChallenge).c.expires_at, lambda _: timedelta(0))
