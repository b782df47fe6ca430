"""The principal: who is calling; and how statements speak of the caller."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, FromClause, Uuid, bindparam, cast, literal_column, select

from shared.errors import Forbidden


class AdministratorsOnly(Forbidden):
    """Only administrators may do this."""


@dataclass(frozen=True)
class Principal:
    """An account that calls, by a session: one that was alive a moment ago, or that the gate is yet to look at."""

    user_id: UUID
    session_id: UUID | None = None
    """The session that it called by; None where there is none yet, as at registration."""
    is_admin: bool = False
    """As the session's check told; before that nobody is an administrator."""

    def parameters(self) -> dict[str, Any]:
        """The values of the caller in a statement, be it behind the gate or over TRUSTED."""
        return {"caller_id": self.user_id, "session_id": self.session_id, "caller_is_admin": self.is_admin}

    def require_admin(self) -> None:
        """Raises AdministratorsOnly for everyone else."""
        if not self.is_admin:
            raise AdministratorsOnly


CALLER_ID: ColumnElement[UUID] = bindparam("caller_id", type_=Uuid())
CALLER_IS_ADMIN: ColumnElement[bool] = literal_column("caller.is_admin", Boolean())
"""A statement that uses it has a row named `caller` in its FROM: TRUSTED, or the gate of authentication.py."""

TRUSTED: FromClause = select(cast(bindparam("caller_is_admin"), Boolean()).label("is_admin")).subquery("caller")
"""The caller's row for a principal that was authenticated already, as in a unit of work."""
