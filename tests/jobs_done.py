"""Jobs that events leave in the queue, done within a test, as a worker does them."""

from typing import Any

from sqlalchemy import text

from app.container import Application
from shared.writes import Change

_WAITING = text("SELECT id, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
_DONE = text("DELETE FROM procrastinate_jobs WHERE id = :id")


async def do_jobs(application: Application) -> list[str]:
    """Do what waits in the queue, each in a unit of work of its own and without a caller. The names of the jobs, such
    as `tags.notify`. Raises what a subscriber raises: nothing is tried again.
    """
    database: Any = application.kernel.database()
    found = [(id, arguments) for id, arguments in await database.sql(_WAITING)]
    for id, arguments in found:
        async with database.unit_of_work() as unit:
            await application.runs()[arguments["job"], arguments["event"]](Change(unit), arguments)
        await database.sql(_DONE, {"id": id})
    return [arguments["job"] for _, arguments in found]
