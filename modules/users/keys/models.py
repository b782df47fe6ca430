"""The table of API keys."""

from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, SQLColumnExpression, String, exists
from sqlmodel import Field, col

from shared.rows import SECRET, Model, recorded_with


class ApiKey(Model, table=True):
    """A key. Its id is that of a session: expiry, revocation and last use are there, and the gate looks at them. A key
    that is revoked goes, so that the history of who made it tells of that; the journal does not record sessions.
    """

    __tablename__ = "api_keys"

    id: UUID = Field(primary_key=True, foreign_key="sessions.id", ondelete="CASCADE")
    owner_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    """Who made it, and may revoke it. Its session is that account's, or a service's."""
    name: str = Field(max_length=200)
    digest: bytes = Field(index=True, sa_column_kwargs=SECRET)
    first_characters: str = Field(max_length=20)
    scopes: list[str] = Field(sa_type=ARRAY(String))


recorded_with(ApiKey, "owner_id")


def is_of_key(session_id: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    """Whether the session with this id is a key's: nobody has signed in for it."""
    return exists().where(col(ApiKey.id) == session_id)
