"""Requests and documents of keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import func, select

from modules.users.keys.models import ApiKey
from modules.users.models import UserSession
from shared.auth import PATTERN, SHOWN
from shared.reads import Collection, Document
from shared.rows import table_of
from shared.schemas import Input, Instant, Line

_keys, _sessions = table_of(ApiKey), table_of(UserSession)
ALIVE = (_sessions.c.revoked_at.is_(None), _sessions.c.expires_at > func.now())
_of_session = (
    _sessions.c.user_id.label("account_id"),
    _sessions.c.created_at,
    _sessions.c.expires_at,
    _sessions.c.used_at.label("last_used_at"),
)
LIVE_KEYS = (
    select(*_keys.c, *_of_session)
    .join_from(_keys, _sessions, _sessions.c.id == _keys.c.id)
    .where(*ALIVE)
    .subquery("live_keys")
)
MOST_SCOPES = 100

Scope = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,100}:(read|write)$")]


class KeyRead(Document, of=LIVE_KEYS):
    """An API key."""

    id: UUID = Field(description="Names it; it is no secret.")
    account_id: UUID = Field(description="The account that it acts as: yours, or a service of yours.")
    name: str = Field(description="What it is for.")
    first_characters: str = Field(description=f"Its first {SHOWN} characters, by which you recognise it.")
    scopes: list[str] = Field(description="What it may do, of what its account may.")
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime = Field(description="From when on it is refused.")
    last_used_at: datetime | None = Field(
        description="When it was last used, give or take an hour; null when it never was."
    )


class KeyMade(BaseModel):
    """A new API key, with its secret, which is shown this once."""

    secret: str = Field(
        description=f"Send it as `Authorization: Bearer …`. It matches `{PATTERN}`, and its last six characters are a "
        "checksum, so that scanners of repositories find it."
    )
    key: KeyRead = Field(description="The key.")


KEYS = Collection(KeyRead)


class KeyCreate(Input):
    """A new API key."""

    name: Annotated[Line, Field(description="What it is for, on one line.", examples=["Nightly export"])]
    scopes: Annotated[
        list[Scope],
        Field(
            min_length=1,
            max_length=MOST_SCOPES,
            description="What it may do, of what its account may: a resource, and `read` or `write`. Each operation "
            "says which one it needs; `write` does not include `read`.",
            examples=[["projects:read", "projects:write"]],
        ),
    ]
    account_id: Annotated[
        UUID | None,
        Field(description="A service of yours that it acts as. By default it acts as you.", examples=[None]),
    ] = None
    expires_at: Annotated[
        Instant | None,
        Field(description="From when on it is refused: within a year. By default in 90 days.", examples=[None]),
    ] = None
