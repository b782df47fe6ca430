"""What an endpoint declares of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from shared.auth import Needed
from shared.errors import DomainError

SLOW_UNITS = 10
"""What it costs to hash a password: as much as many requests."""

E = TypeVar("E", bound=Callable[..., Any])


@dataclass(frozen=True)
class Traits:
    """What an endpoint declares of itself, by the decorator `operation`."""

    public: bool = False
    """Anybody may call it. The start refuses any other endpoint that takes no caller."""
    slow: bool = False
    """It works long before its first statement: it hashes a password, or sends mail. So it cannot be part of a batch,
    whose transaction would stay open meanwhile, and its idempotency key is locked only with that statement."""
    urgent: bool = False
    """It is served even when the server is overloaded: it ends what somebody fears, as a sign-out does."""
    cost: int | None = None
    """Units of the client's quota. By default one, and ten of what is slow. What depends on the request, as the size of
    a batch does, the endpoint charges itself."""
    repeatable: bool = True
    """False: it takes no precondition, dry run or idempotency key. A sign-in, for example."""
    never: tuple[type[DomainError], ...] = ()
    """Errors of what it calls that it never answers: the OpenAPI document leaves them out."""
    about: str | None = None
    """The parameter of the path whose row `If-Match` is about; by default the last one that is a UUID."""

    @property
    def units(self) -> int:
        """What it costs."""
        return self.cost or (SLOW_UNITS if self.slow else 1)

    def __call__(self, endpoint: E) -> E:
        """Declare them of an endpoint."""
        endpoint.__dict__["traits"] = self
        return endpoint


operation = Traits
"""The decorator of an endpoint that has traits: `@operation(public=True)`."""


def needed(request: Request) -> Needed:
    """The scopes that a key needs for the request. A route that says nothing of them is closed to keys."""
    scopes: Needed = getattr(request.scope["route"], "needed", None)
    return scopes
