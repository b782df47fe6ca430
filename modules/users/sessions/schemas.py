"""Requests and documents of sessions."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import ColumnElement, FromClause, Uuid, bindparam, func

from modules.users.models import UserSession
from modules.users.schemas import EMAIL, PASSWORD, GivenPassword
from shared.extensions import Extensions
from shared.reads import Collection, Derived, Document
from shared.schemas import Input, Text
from shared.values import LONGEST_EMAIL

_LONGEST_CODE = 100
"""Longer than any code of a second factor."""
RefreshTokenText = Annotated[Text, Field(max_length=1000)]
"""Longer than our tokens, so that an access token sent by mistake is a bad grant, not a bad request."""


def _is_callers(sessions: FromClause, _: Extensions) -> ColumnElement[Any]:
    return sessions.c.id == bindparam("session_id", type_=Uuid())


def _last_use(sessions: FromClause, _: Extensions) -> ColumnElement[Any]:
    return func.coalesce(sessions.c.used_at, sessions.c.created_at)


class SessionRead(Document, of=UserSession):
    """A session: somebody has signed in, and has not signed out."""

    id: UUID
    created_at: datetime = Field(description="When it began.")
    used_at: Annotated[datetime, Derived(_last_use)] = Field(
        description="When it was last prolonged: while it is used, at least once in the lifetime of an access token."
    )
    expires_at: datetime = Field(description="When it ends, unless it is prolonged or ended before.")
    address: str | None = Field(description="The network address from which it began.", examples=["192.0.2.1"])
    client: str | None = Field(
        description="The program with which it began, as that calls itself in `User-Agent`.",
        examples=["Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"],
    )
    is_current: Annotated[bool, Derived(_is_callers)] = Field(description="Whether this request belongs to it.")


SESSIONS = Collection(SessionRead)


class SessionCreate(Input):
    """A sign-in."""

    email: Annotated[Text, Field(max_length=LONGEST_EMAIL)] = Field(
        description="The e-mail address of the account.", examples=[EMAIL]
    )
    password: GivenPassword = Field(description="Its password.", examples=[PASSWORD])
    code: Annotated[Text, Field(max_length=_LONGEST_CODE)] | None = Field(
        None, description="The code of a second factor, if the account has one."
    )


class TokenRequest(BaseModel):
    """The form of the token endpoint (RFC 6749 §4.3.2 and §6). Unknown parameters are ignored, as §3.2 says."""

    grant_type: Annotated[Text, Field(max_length=50)] | SkipJsonSchema[None] = Field(
        None, description="`password` or `refresh_token`.", examples=["password"]
    )
    username: Annotated[Text, Field(max_length=LONGEST_EMAIL)] | SkipJsonSchema[None] = Field(
        None, description="The e-mail address, for `password`.", examples=[EMAIL]
    )
    password: GivenPassword | SkipJsonSchema[None] = Field(None, description="For `password`.", examples=[PASSWORD])
    refresh_token: RefreshTokenText | SkipJsonSchema[None] = Field(None, description="For `refresh_token`.")


class RevocationRequest(BaseModel):
    """The form of the revocation endpoint (RFC 7009 §2.1)."""

    token: RefreshTokenText = Field(
        min_length=1, description="A refresh token. One that is not known is revoked already.", examples=["3kTqZ0x9"]
    )


class Tokens(BaseModel):
    """A successful answer of the token endpoint (RFC 6749 §5.1)."""

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    refresh_token: str = Field(description="Good once, for the next pair of tokens.")
    token_type: Literal["Bearer"] = Field("Bearer", description="How the access token is sent (RFC 6750).")
    expires_in: int = Field(description="Seconds until the access token expires.")
    scope: str = Field(description="What the token allows.")


class SignedIn(Tokens):
    """The tokens of a new session, and the session."""

    session: SessionRead = Field(description="The session that they belong to.")
