"""Requests and documents of accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from modules.users.models import Role, User
from shared.reads import Collection, Document
from shared.schemas import UNCHANGED, Email, Input, Line, Patch, Text

LONGEST_PASSWORD = 256
EMAIL, PASSWORD = "ada@example.com", "correct horse battery staple"
"""Of the account that the examples are about: registered by one, signed in by the next."""

AccountEmail = Annotated[Email, Field(description="The e-mail address, which one account may have.", examples=[EMAIL])]
FullName = Annotated[Line, Field(description="The person's name, on one line.", examples=["Ada Lovelace"])]
Password = Annotated[Text, Field(min_length=8, max_length=LONGEST_PASSWORD, json_schema_extra={"format": "password"})]
"""Taken exactly as sent, without rules for its characters (NIST SP 800-63B §5.1.1.2, ASVS 6.2.5 and 6.2.8)."""


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
    password: Password = Field(description="At least 8 characters, taken exactly as sent.", examples=[PASSWORD])
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
        Field(description="The present one.", examples=[PASSWORD])
    )
    new_password: Password = Field(
        description="At least 8 characters, taken exactly as sent.", examples=["a longer horse battery staple"]
    )
