"""The table of what somebody has asked for and has to confirm by a link in a mail."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlmodel import Field

from shared.rows import SECRET, Identified, Model, choice, expiring, table_of


class Purpose(StrEnum):
    """What becomes true when the link is used."""

    REGISTRATION = "registration"
    """There is an account."""
    ADDRESS = "address"
    """The account has this address, and it is the person's."""
    RESET = "reset"
    """The account has another password."""


class Confirmation(Model, Identified, table=True):
    """A wish that waits for its link to be used. The token in the link has 256 random bits and needs no salt."""

    __tablename__ = "confirmations"

    purpose: Purpose = Field(sa_type=choice(Purpose))
    user_id: UUID | None = Field(default=None, index=True)
    """None for a registration, and for a reset at an address that no account has: that takes as long as others, so
    this is no foreign key, whose check takes a while. It expires long before a deleted account is gone.
    """
    email: str | None = Field(default=None, max_length=254)
    full_name: str | None = Field(default=None, max_length=200)
    password_hash: str | None = Field(default=None, sa_column_kwargs=SECRET)
    state: bytes | None = None
    """A digest of the account's password and address: the link is void when these have changed."""
    digest: bytes | None = Field(default=None, index=True)
    """Of the token, which is made when the mail is sent and stands nowhere else."""
    expires_at: datetime = Field(index=True)


expiring(Confirmation, table_of(Confirmation).c.expires_at, lambda _: timedelta(0))
