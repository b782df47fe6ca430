"""The principal: the account that calls, and its parameters in statements."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, FromClause, Uuid, bindparam, cast, literal_column, select

from shared.auth.scopes import InsufficientScope, KeyRefused, Needed
from shared.errors import Forbidden

RECENT = timedelta(minutes=5)
"""How long after a sign-in its session may do what cannot be undone, or what opens the account to others."""


class AdministratorsOnly(Forbidden):
    """Only administrators may do this."""


class StepUpRequired(Forbidden):
    """Only a session of the last five minutes may do this. Sign in again, and repeat it with the new access token."""


@dataclass(frozen=True)
class Principal:
    """The account that calls, and its session, which was checked a moment ago or is yet to be: by the gate, or by the
    demand of a unit of work.
    """

    user_id: UUID
    session_id: UUID | None = None
    """None when there is no session yet, as at registration."""
    is_admin: bool | None = None
    """Set by the check of the session; None before."""
    signed_in_at: datetime | None = None
    """Set by the same check; then None of what never signs in."""

    scopes: frozenset[str] | None = None
    """What a key may do of what its account may; None: all of it, as who has signed in."""

    def parameters(self) -> dict[str, Any]:
        """The caller's values in a statement behind the gate or over TRUSTED."""
        return {
            "caller_id": self.user_id,
            "session_id": self.session_id,
            "caller_is_admin": self.is_admin is True,
            "caller_scopes": None if self.scopes is None else [*self.scopes],
        }

    def require_admin(self) -> None:
        """Raises AdministratorsOnly for everyone else."""
        if not self.is_admin:
            raise AdministratorsOnly

    def require_recent_sign_in(self) -> None:
        """Raises StepUpRequired for a session that began some time ago: who finds one open, or steals a token of it, is
        not to take the account (ASVS 7.5.1). A key never signed in.
        """
        is_key = self.scopes is not None
        if is_key or self.signed_in_at is None or self.signed_in_at + RECENT < datetime.now(UTC):
            raise StepUpRequired

    def require_scopes(self, needed: Needed) -> None:
        """Raises InsufficientScope for a key that has not all of these, and KeyRefused where no key may."""
        if self.scopes is None:
            return
        if needed is None:
            raise KeyRefused
        if not needed <= self.scopes:
            raise InsufficientScope(" ".join(sorted(needed)))


CALLER_ID: ColumnElement[UUID] = bindparam("caller_id", type_=Uuid())
CALLER_IS_ADMIN: ColumnElement[bool] = literal_column("caller.is_admin", Boolean())
"""A statement that uses it has `caller` in its FROM: TRUSTED, or the gate of authentication.py."""

TRUSTED: FromClause = select(cast(bindparam("caller_is_admin"), Boolean()).label("is_admin")).subquery("caller")
"""The row `caller` for a principal whose session was checked before."""
