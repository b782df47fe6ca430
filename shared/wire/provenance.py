"""Where the changes of a transaction come from."""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Origin:
    """Where a change comes from."""

    actor_id: UUID | None = None
    session_id: UUID | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        """As the triggers read it."""
        return f"{self.actor_id or '-'} {self.session_id or '-'} {self.request_id or '-'}"


origin: ContextVar[Origin | None] = ContextVar("origin", default=None)
"""Of what is being answered; None for what an operator does."""
