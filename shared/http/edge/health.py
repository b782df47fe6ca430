"""Health: whether the process is alive, and whether it is ready to serve."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from shared.errors import Unavailable
from shared.http.edge.openapi import NEVER_STORED
from shared.http.edge.tags import Tag, operation_id
from shared.upkeep import standing
from shared.wire import Database


class SchemaOutdated(Unavailable):
    """The database lacks migrations that this version needs. `trellis migrate` brings them."""


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = Field(description="Always the same: a process that is not alive answers nothing.")


class Ready(BaseModel):
    """The service can serve."""

    status: Literal["ready"] = Field(description="Always the same: a service that is not ready answers a problem.")


_ABOUT = "Whether the process is alive, and whether it can serve: for a load balancer or an orchestrator."


def health_router(database: Database) -> APIRouter:
    """`GET /health/live` and `/health/ready`."""
    health = APIRouter(prefix="/health", tags=[Tag("health", _ABOUT)], generate_unique_id_function=operation_id)

    @health.get("/live")
    async def live() -> Alive:
        """Ask whether the process is alive. It answers without the database."""
        return Alive(status="alive")

    @health.get("/ready", responses=NEVER_STORED | {503: {"description": "Not ready: a problem says why."}})
    async def ready(response: Response) -> Ready:
        """Ask whether the service is ready. The database answers, and has the schema that this version needs, or a
        newer one that it can use.
        """
        if (await standing(database)).lacks:
            raise SchemaOutdated
        response.headers["Cache-Control"] = "no-store"
        return Ready(status="ready")

    return health
