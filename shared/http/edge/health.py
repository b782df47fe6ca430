"""Health: whether the process is alive, and whether it is ready to serve."""

from fastapi import APIRouter, Response

from shared.errors import Unavailable
from shared.http.edge.bodies import JSON
from shared.http.edge.openapi import operation_id
from shared.upkeep import standing
from shared.wire import Database


class SchemaOutdated(Unavailable):
    """The database lacks migrations that this version needs. `trellis migrate` brings them."""


def health_router(database: Database) -> APIRouter:
    """`GET /health/live` and `/health/ready`."""
    health = APIRouter(prefix="/health", tags=["health"], generate_unique_id_function=operation_id)

    @health.get("/live", response_model=dict[str, str])
    async def live() -> Response:
        """The process answers."""
        return Response(b'{"status":"alive"}', media_type=JSON)

    @health.get(
        "/ready", response_model=dict[str, str], responses={503: {"description": "Not ready: a problem says why."}}
    )
    async def ready() -> Response:
        """The database answers, and has the schema that this version needs, or a newer one that it can use."""
        if (await standing(database)).lacks:
            raise SchemaOutdated
        return Response(b'{"status":"ready"}', headers={"Cache-Control": "no-store"}, media_type=JSON)

    return health
