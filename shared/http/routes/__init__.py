"""Routes: how a request finds its endpoint, and what runs around one that changes state.

Who may call, what is injected, the unit of work with its wishes (idempotency key, preconditions, dry run), and another
try where changes meet. It knows no module.
"""

from shared.http.routes.authentication import Administrator, Caller, CurrentPrincipal
from shared.http.routes.mutations import Mutations, change_turns
from shared.http.routes.paths import key_parameter, path_key
from shared.http.routes.places import Places
from shared.http.routes.routing import API_PREFIX, Route, resource_router, slow, unrepeatable
from shared.http.routes.wishes import IF_NONE_MATCH

__all__ = [
    "API_PREFIX",
    "IF_NONE_MATCH",
    "Administrator",
    "Caller",
    "CurrentPrincipal",
    "Mutations",
    "Places",
    "Route",
    "change_turns",
    "key_parameter",
    "path_key",
    "resource_router",
    "slow",
    "unrepeatable",
]
