"""Scopes: what a key may do of what its account may. `projects:read` reads projects, `projects:write` does all else."""

from sqlalchemy import ARRAY, ColumnElement, String, bindparam, func, or_

from shared.errors import Forbidden

READS, WRITES = "read", "write"


class InsufficientScope(Forbidden):
    """This needs a scope that the key does not have: make a key that has it."""

    def __init__(self, scope: str = "") -> None:
        """`scope` is what is needed; empty where no scope is enough."""
        super().__init__(f"This needs the scope {scope}, which the key does not have." if scope else None)
        self.scope = scope


class KeyRefused(InsufficientScope):
    """No key may do this, whatever its scopes: sign in."""


Needed = frozenset[str] | None
"""The scopes of which a key needs each; None: no key may."""


def scope_of(resource: str, *, writes: bool) -> str:
    """The scope that a key needs to read or to change a resource."""
    return f"{resource}:{WRITES if writes else READS}"


def is_in_scope(scope: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the caller's scopes have this one; who has no key has all."""
    scopes = bindparam("caller_scopes", type_=ARRAY(String()))
    return or_(scopes.is_(None), scope == func.any(scopes))
