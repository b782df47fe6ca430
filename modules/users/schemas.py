"""Requests and documents of accounts and sessions."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from modules.users.models import Role, User
from shared.reads import Collection, Document
from shared.schemas import UNCHANGED, Email, Input, Line, Patch, Text
from shared.values import LONGEST_EMAIL

LONGEST_PASSWORD = 256
_EMAIL, _PASSWORD = "ada@example.com", "correct horse battery staple"
"""Of the account that the examples are about: registered by one, signed in by the next."""

AccountEmail = Annotated[Email, Field(description="The e-mail address, which one account may have.", examples=[_EMAIL])]
FullName = Annotated[Line, Field(description="The person's name, on one line.", examples=["Ada Lovelace"])]
Password = Annotated[Text, Field(min_length=8, max_length=LONGEST_PASSWORD, json_schema_extra={"format": "password"})]
"""Taken exactly as sent, without rules for its characters (NIST SP 800-63B §5.1.1.2, ASVS 6.2.5 and 6.2.8)."""
RefreshTokenText = Annotated[Text, Field(max_length=1000)]
"""Longer than our tokens, so that an access token sent by mistake is a bad grant, not a bad request."""


class UserRead(Document, of=User):
    """An account."""

    id: UUID
    email: str = Field(description="The e-mail address.")
    full_name: str = Field(description="The person's name.")
    role: Role = Field(description="What it may do beyond its own affairs.")
    is_active: bool = Field(description="Whether it may sign in.")
    email_verified: bool = Field(description="Whether the address is known to be the person's.")
    created_at: datetime
    updated_at: datetime
    version: int


USERS = Collection(
    UserRead,
    filters=("id", "email", "full_name", "role", "is_active", "email_verified", "created_at", "updated_at"),
    sorts=("created_at", "updated_at", "email", "full_name"),
    search="search",
)


class UserCreate(Input):
    """A registration."""

    email: AccountEmail
    password: Password = Field(description="At least 8 characters, taken exactly as sent.", examples=[_PASSWORD])
    full_name: FullName


class UserUpdate(Patch):
    """A change of one's own profile."""

    email: AccountEmail = UNCHANGED
    full_name: FullName = UNCHANGED


class UserAdministration(UserUpdate):
    """A change of an account by an administrator."""

    role: Annotated[Role, Field(description="What it may do beyond its own affairs.", examples=["user"])] = UNCHANGED
    is_active: Annotated[bool, Field(description="Whether it may sign in.", examples=[True])] = UNCHANGED


class PasswordChange(Input):
    """A new password, and the present one as proof."""

    current_password: Annotated[Text, Field(max_length=LONGEST_PASSWORD, json_schema_extra={"format": "password"})] = (
        Field(description="The present one.", examples=[_PASSWORD])
    )
    new_password: Password = Field(
        description="At least 8 characters, taken exactly as sent.", examples=["a longer horse battery staple"]
    )


class TokenRequest(BaseModel):
    """The form of the token endpoint (RFC 6749 §4.3.2 and §6). Unknown parameters are ignored, as §3.2 says."""

    grant_type: Annotated[Text, Field(max_length=50)] | SkipJsonSchema[None] = Field(
        None, description="`password` or `refresh_token`.", examples=["password"]
    )
    username: Annotated[Text, Field(max_length=LONGEST_EMAIL)] | SkipJsonSchema[None] = Field(
        None, description="The e-mail address, for `password`.", examples=[_EMAIL]
    )
    password: Annotated[Text, Field(max_length=LONGEST_PASSWORD)] | SkipJsonSchema[None] = Field(
        None, description="For `password`.", examples=[_PASSWORD], json_schema_extra={"format": "password"}
    )
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
