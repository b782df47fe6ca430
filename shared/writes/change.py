"""A change: all that a state-changing request passes from the edge to the verbs."""

from dataclasses import dataclass, field
from typing import NamedTuple, Self
from uuid import UUID

from shared.auth import Principal
from shared.errors import Unauthenticated
from shared.wire import UnitOfWork
from shared.writes.preconditions import Precondition, PreconditionFailed


class Permission(NamedTuple):
    """An action on a row of a resource that the caller was allowed."""

    resource: str
    action: str
    id: UUID


@dataclass
class Change:
    """Made at the edge for one attempt of a request, or by a command; every verb takes it first."""

    unit: UnitOfWork
    """The transaction in which it happens."""
    principal: Principal | None = None
    """The caller; None for a public operation without a session, and for a command."""
    precondition: Precondition | None = None
    """The conditions that the caller sets for the row."""
    target: UUID | None = None
    """The row that the precondition is about: the route takes it from the path, or the endpoint sets it by `about`."""
    permissions: list[Permission] = field(default_factory=list)
    """What was allowed so far: a replay under an idempotency key is checked against it."""
    is_settled: bool = False
    """Whether the precondition was compared with a row."""

    @property
    def caller(self) -> Principal:
        """The principal. Raises Unauthenticated when there is none."""
        if self.principal is None:
            raise Unauthenticated
        return self.principal

    def about(self, id: UUID) -> Self:
        """The precondition is about this row, which the path does not name."""
        self.target = id
        return self

    def allow(self, resource: str, action: str, id: UUID) -> None:
        """Note that the caller was allowed this action."""
        self.permissions.append(Permission(resource, action, id))

    def demand_settled(self) -> None:
        """Raises PreconditionFailed when the precondition demands a row, and no row was compared."""
        if self.precondition is not None and not self.is_settled and self.precondition.wants_one:
            raise PreconditionFailed
