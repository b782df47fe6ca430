"""Routes: how a request finds its endpoint, and what runs around one that changes state.

The table of routes, the direct way to an endpoint, authentication, injection, and the unit of work with its wishes
(idempotency key, preconditions, dry run) and retries. It knows no module.
"""

from shared.http.routes.authentication import (
    Administrator,
    AdministratorsChange,
    Caller,
    CurrentChange,
    CurrentPrincipal,
    PublicChange,
    RecentChange,
)
from shared.http.routes.dispatch import Dispatch
from shared.http.routes.fastapi_seam import answer_to, functions_of, handled, operations_in
from shared.http.routes.injection import Binder, UnresolvedError, takes
from shared.http.routes.mutations import Mutations, change_turns
from shared.http.routes.path_keys import key_parameter, path_key
from shared.http.routes.query import as_get
from shared.http.routes.routing import API_PREFIX, SAFE_METHODS, Route, resource_router
from shared.http.routes.table import RouteTable
from shared.http.routes.traits import needed, operation
from shared.http.routes.wishes import DRY_RUN, IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, PREFER, Wishes

__all__ = [
    "API_PREFIX",
    "DRY_RUN",
    "IDEMPOTENCY_KEY",
    "IF_MATCH",
    "IF_NONE_MATCH",
    "PREFER",
    "SAFE_METHODS",
    "Administrator",
    "AdministratorsChange",
    "Binder",
    "Caller",
    "CurrentChange",
    "CurrentPrincipal",
    "Dispatch",
    "Mutations",
    "PublicChange",
    "RecentChange",
    "Route",
    "RouteTable",
    "UnresolvedError",
    "Wishes",
    "answer_to",
    "as_get",
    "change_turns",
    "functions_of",
    "handled",
    "key_parameter",
    "needed",
    "operation",
    "operations_in",
    "path_key",
    "resource_router",
    "takes",
]
