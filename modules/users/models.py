"""The tables of accounts, their sessions, and the refresh tokens that prolong those."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from shared.persistence.models import (
    SECRET,
    Identified,
    Resource,
    Table,
    choice,
    deletion_group,
    deletion_time,
    live_unique,
    searchable,
)


class Role(StrEnum):
    """What an account may do beyond its own affairs."""

    USER = "user"
    ADMIN = "admin"


class User(Table, Resource, table=True):
    """An account."""

    __tablename__ = "users"
    __table_args__ = (
        live_unique("uq_users_email", text("lower(email)")),
        Index("ix_users_created_at_id", text("created_at DESC"), text("id DESC")),
        deletion_group("ix_users_deletion_id"),
        deletion_time("ix_users_deleted_at"),
    )

    email: str = Field(max_length=254)
    full_name: str = Field(max_length=200)
    password_hash: str = Field(sa_column_kwargs=SECRET)
    role: Role = Field(default=Role.USER, sa_type=choice(Role))
    is_active: bool = True
    email_verified: bool = False


searchable(User, "full_name", "email")


class UserSession(Table, Identified, table=True):
    """A sign-in. It ends when it is revoked, or when it was not refreshed in time."""

    __tablename__ = "sessions"

    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_alive(self, now: datetime) -> bool:
        """Whether it can still be used and prolonged."""
        return self.revoked_at is None and self.expires_at > now

    def revoke(self) -> None:
        """End it."""
        self.revoked_at = self.revoked_at or datetime.now(UTC)


class RefreshToken(Table, table=True):
    """A refresh token, good once. Only its digest is kept: the token has 256 random bits and needs no salt."""

    __tablename__ = "refresh_tokens"

    digest: bytes = Field(primary_key=True)
    session_id: UUID = Field(foreign_key="sessions.id", index=True, ondelete="CASCADE")
    used_at: datetime | None = None
