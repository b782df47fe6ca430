"""The principal: who is calling; and how statements speak of the caller."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Uuid, bindparam

from shared.errors import Forbidden


@dataclass(frozen=True)
class Principal:
    """An account that has shown who it is."""

    user_id: UUID
    session_id: UUID | None = None
    """The session that it called by; None where there is none yet, as at registration."""
    is_admin: bool = False

    def parameters(self) -> dict[str, Any]:
        """The values of CALLER_ID and CALLER_IS_ADMIN for one execution of a statement."""
        return {"caller_id": self.user_id, "caller_is_admin": self.is_admin}

    def require_admin(self) -> None:
        """Raises AdministratorsOnly for everyone else."""
        if not self.is_admin:
            raise AdministratorsOnly


class AdministratorsOnly(Forbidden):
    """Only administrators may do this."""


CALLER_ID: ColumnElement[UUID] = bindparam("caller_id", type_=Uuid())
CALLER_IS_ADMIN: ColumnElement[bool] = bindparam("caller_is_admin", type_=Boolean())
