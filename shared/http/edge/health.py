"""Health: whether the process is alive, and whether it is ready to serve."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from shared.errors import Unavailable
from shared.http.edge.openapi import NEVER_STORED
from shared.http.edge.tags import Tag, operation_id
from shared.upkeep import SchemaOutdated, standing
from shared.wire import Database


class Drain:
    """Whether the server is about to stop. Until it does, it serves what still comes."""

    has_begun = False


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = Field(description="Always the same: a process that is not alive answers nothing.")


class Ready(BaseModel):
    """The service can serve."""

    status: Literal["ready"] = Field(description="Always the same: a service that is not ready answers a problem.")


_ABOUT = "Whether the process is alive, and whether it can serve: for a load balancer or an orchestrator."


def health_router(database: Database, drain: Drain, wait_seconds: float) -> APIRouter:
    """`GET /health/live` and `/health/ready`, which waits so long for the database."""
    health = APIRouter(prefix="/health", tags=[Tag("health", _ABOUT)], generate_unique_id_function=operation_id)

    @health.get("/live")
    async def live() -> Alive:
        """Ask whether the process is alive. It answers without the database."""
        return Alive(status="alive")

    @health.get("/ready", responses=NEVER_STORED | {503: {"description": "Not ready: a problem says why."}})
    async def ready(response: Response) -> Ready:
        """Ask whether the service is ready. The database answers, and has the schema that this version needs, or a
        newer one that it can use. A server that is about to stop is not ready.
        """
        if drain.has_begun:
            raise Unavailable("The server is about to stop.")
        try:
            async with asyncio.timeout(wait_seconds):
                lacks = (await standing(database)).lacks
        except TimeoutError:
            raise Unavailable("The database did not answer in time.") from None
        if lacks:
            raise SchemaOutdated
        response.headers["Cache-Control"] = "no-store"
        return Ready(status="ready")

    return health
