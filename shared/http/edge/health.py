"""Health: whether the process is alive, and whether it is ready to serve."""

from fastapi import APIRouter, Response

from shared.errors import Unavailable
from shared.http.edge.openapi import operation_id
from shared.upkeep import standing
from shared.wire import Database


class SchemaOutdated(Unavailable):
    """The database lacks migrations that this version needs. `trellis migrate` brings them."""


def health_router(database: Database) -> APIRouter:
    """`GET /health/live` and `/health/ready`."""
    health = APIRouter(prefix="/health", tags=["health"], generate_unique_id_function=operation_id)

    @health.get("/live")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @health.get("/ready", responses={503: {"description": "Not ready: a problem says why."}})
    async def ready(response: Response) -> dict[str, str]:
        """The database answers, and has the schema that this version needs, or a newer one that it can use."""
        if (await standing(database)).lacks:
            raise SchemaOutdated
        response.headers["Cache-Control"] = "no-store"
        return {"status": "ready"}

    return health
