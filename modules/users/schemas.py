"""Requests and documents of accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticKnownError
from sqlalchemy import ColumnElement, FromClause, case

from modules.users.models import Kind, Role, User
from shared import values
from shared.extensions import Extensions
from shared.reads import Collection, Derived, Document
from shared.schemas import UNCHANGED, Email, Input, Line, Patch, Text

SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 256
"""Characters of a password in NFC (ASVS 6.2.1, 6.2.9)."""
LONGEST_SENT = 4 * LONGEST_PASSWORD
"""Characters of one as keyboards write it: NFC makes one of at most four."""
EMAIL, PASSWORD = "ada@example.com", "correct horse battery staple"
"""Of the account that the examples are about: registered by one, signed in by the next."""

AccountEmail = Annotated[Email, Field(description="The e-mail address, which one account may have.", examples=[EMAIL])]
FullName = Annotated[Line, Field(description="The person's name, on one line.", examples=["Ada Lovelace"])]
GivenPassword = Annotated[Text, Field(max_length=LONGEST_SENT, json_schema_extra={"format": "password"})]
"""One that is compared."""


def _within_limits(password: str) -> str:
    composed = values.composed(password)
    if len(composed) < SHORTEST_PASSWORD:
        raise PydanticKnownError("string_too_short", {"min_length": SHORTEST_PASSWORD})
    if len(composed) > LONGEST_PASSWORD:
        raise PydanticKnownError("string_too_long", {"max_length": LONGEST_PASSWORD})
    return composed


Password = Annotated[
    Text,
    Field(
        max_length=LONGEST_SENT,
        json_schema_extra={"format": "password", "minLength": SHORTEST_PASSWORD, "maxLength": LONGEST_PASSWORD},
    ),
    AfterValidator(_within_limits),
]
"""One that is chosen: in NFC and not otherwise changed, and without rules for what characters it has (NIST SP 800-63B
§5.1.1.2, ASVS 6.2.5 and 6.2.8).
"""
CHOSEN = (
    "8 to 256 characters, in Unicode's NFC. One that is tried first by who guesses is refused: among the 100,000 "
    "most common ones, your address or name, one character over and over."
)


def kind_of(users: FromClause, _: Extensions) -> ColumnElement[str]:
    """Whose an account is."""
    return case((users.c.owner_id.is_(None), Kind.PERSON.value), else_=Kind.SERVICE.value)


class UserRead(Document, of=User):
    """An account."""

    id: UUID
    email: str = Field(description="The e-mail address.")
    full_name: str = Field(description="The person's name.")
    role: Role = Field(description="What it may do beyond its own affairs.")
    kind: Annotated[Kind, Derived(kind_of)] = Field(description="Whether it is a person's or a machine's.")
    owner_id: UUID | None = Field(description="Of a service the person who answers for it; null of a person.")
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
    password: Password = Field(description=CHOSEN, examples=[PASSWORD])
    full_name: FullName


class UserUpdate(Patch):
    """A change of one's own profile."""

    full_name: FullName = UNCHANGED


class UserAdministration(UserUpdate):
    """A change of an account by an administrator."""

    email: AccountEmail = UNCHANGED
    role: Annotated[Role, Field(description="What it may do beyond its own affairs.", examples=["user"])] = UNCHANGED
    is_active: Annotated[bool, Field(description="Whether it may sign in.", examples=[True])] = UNCHANGED


class PasswordChange(Input):
    """A new password, and the present one as proof."""

    current_password: GivenPassword = Field(description="The present one.", examples=[PASSWORD])
    new_password: Password = Field(description=CHOSEN, examples=["a longer horse battery staple"])
