"""The tables of accounts, their sessions, and the refresh tokens that prolong those."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlmodel import Field

from modules.users.errors import EmailTaken
from shared.rows import (
    SECRET,
    WRITTEN_APART,
    Identified,
    Model,
    Resource,
    choice,
    expiring,
    live_unique,
    searchable,
    table_of,
)


class Role(StrEnum):
    """What an account may do beyond its own affairs."""

    USER = "user"
    ADMIN = "admin"


class Kind(StrEnum):
    """Whose an account is."""

    PERSON = "person"
    SERVICE = "service"


class User(Model, Resource, table=True):
    """An account: of a person, or of a service, which is a machine that acts with keys. Nobody signs in to that."""

    __tablename__ = "users"
    __table_args__ = (
        live_unique(text("lower(email)"), name="uq_users_email", raises=EmailTaken),
        Index("ix_users_created_at_id", text("created_at DESC"), text("id DESC")),
        CheckConstraint("owner_id IS NULL OR role = 'user'", name="service_no_administrator"),
    )

    email: str = Field(max_length=254)
    full_name: str = Field(max_length=200)
    password_hash: str = Field(sa_column_kwargs=SECRET)
    role: Role = Field(default=Role.USER, sa_type=choice(Role))
    is_active: bool = True
    email_verified: bool = False
    sessions_ended_at: datetime | None = None
    """When an administrator last ended sessions of it. So the account's history tells of that, though the journal does
    not record sessions: there is one for each sign-in, which is written anew with each refresh."""
    owner_id: UUID | None = Field(default=None, foreign_key="users.id", index=True)
    """Of a service the person who answers for it; None of a person. It does not belong to that one in the kernel's
    sense: then whoever holds an account would keep it from signing in."""

    @property
    def is_administrator(self) -> bool:
        """Whether it can sign in as an administrator, if it is not deleted."""
        return self.role == Role.ADMIN and self.is_active


searchable(User, "full_name", "email")


class UserSession(Model, Identified, table=True):
    """A sign-in. It ends when it is revoked, or when it was not refreshed in time, and in the end in any case."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_over_at", text("LEAST(expires_at, revoked_at)")),)

    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    """When it was last prolonged; None before, and of a session that an older release has opened. Of a key, when that
    was last used, give or take an hour."""
    address: str | None = Field(default=None, max_length=100)
    """The client's address, as the connection or a trusted proxy tells it."""
    client: str | None = Field(default=None, max_length=200)
    """What the client calls itself."""

    def is_alive(self, now: datetime) -> bool:
        """Whether it can still be used and prolonged."""
        return self.revoked_at is None and self.expires_at > now


class RefreshToken(Model, table=True):
    """A refresh token, good once. Only its digest is kept: the token has 256 random bits and needs no salt."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index("ix_refresh_tokens_used_at", "used_at", postgresql_where=text("used_at IS NOT NULL")),)

    digest: bytes = Field(primary_key=True)
    session_id: UUID = Field(foreign_key="sessions.id", index=True, ondelete="CASCADE")
    used_at: datetime | None = None


class SignInFailures(Model, table=True):
    """How many wrong passwords were tried lately: for an account, from an address, or in all. Nothing of that can be
    read here: the key is an HMAC.
    """

    __tablename__ = "sign_in_failures"
    __table_args__ = (WRITTEN_APART,)

    key: bytes = Field(primary_key=True)
    failures: float
    """As of `at`; from then on they fade."""
    at: datetime = Field(index=True)


class KnownPlace(Model, table=True):
    """An account and an address from which it signed in, as an HMAC of both."""

    __tablename__ = "known_places"

    key: bytes = Field(primary_key=True)
    at: datetime = Field(index=True)
    """When it did so the last time."""


REUSE_LEEWAY = timedelta(seconds=10)
"""A refresh token may be used again this long: its first answer may have been lost on the way."""
KNOWN_FOR = timedelta(days=90)
"""How long a place is known after the last sign-in."""

_sessions, _used = table_of(UserSession).c, table_of(RefreshToken).c.used_at
expiring(UserSession, func.least(_sessions.expires_at, _sessions.revoked_at), lambda _: timedelta(0))
# Who comes with a token that was used tells of a theft; nobody who is not a thief comes later than a session can idle.
expiring(RefreshToken, _used, lambda settings: timedelta(seconds=settings.refresh_token_seconds))
expiring(SignInFailures, table_of(SignInFailures).c.at, lambda _: timedelta(days=1))
expiring(KnownPlace, table_of(KnownPlace).c.at, lambda _: KNOWN_FOR)
