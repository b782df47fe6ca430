"""Jobs: how a publisher leaves one in the queue, and how a worker does it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from shared.errors import Contended
from shared.events import Event, Handler
from shared.jobs.payloads import NotUnderstood, Payloads
from shared.jobs.queue import DEFER, DONE
from shared.observing import current_activity
from shared.rows import Origin
from shared.wire import Database
from shared.writes import Change

Key = tuple[str, str | None]
"""A job's name, such as `tags.notify`, and the name of the event that it is about; None for a periodic job."""

Arguments = Mapping[str, Any]
"""What stands in the queue of a job: `job`, and of one about an event `event`, `version`, `payload`, `request_id`, and
`traceparent` where its publisher was traced.
"""

Run = Callable[[Change, Arguments], Awaitable[None]]


Period = Literal["minute", "hour", "day", "week"]
PERIODS: tuple[Period, ...] = get_args(Period)


class Periodic(NamedTuple):
    """A method of the container's `service` that is run every so often, with the change. Several workers run it once;
    a run that was missed, since there was no worker, is made up for when there is one.
    """

    method: Callable[[Any, Any], Awaitable[None]]
    every: Period
    """A day begins at 3:00 UTC, and a week on Sunday."""


def leaving(job: str, event: type[Event]) -> Handler:
    """A handler that leaves a job with this name in the queue. The INSERT travels with the publisher's next statement,
    so there is a job if the publisher's transaction is kept, and none otherwise.
    """
    payloads = Payloads(event)

    async def leave(change: Change, event: Event) -> None:
        span = current_activity.get().span
        trace = {} if span is None else {"traceparent": span.traceparent}
        await change.unit.send(DEFER, {"args": json.dumps({"job": job, **payloads.write(event), **trace})})

    return leave


def delivery(event: type[Event], provide: Callable[[], Handler]) -> Run:
    """Has the subscriber handle the event in the queue."""
    payloads = Payloads(event)

    async def deliver(change: Change, arguments: Arguments) -> None:
        await provide()(change, payloads.read(arguments["version"], arguments["payload"]))

    return deliver


class Jobs:
    """Does jobs. Each runs in a unit of work of its own, which also notes that it was done: so what it writes into the
    database is written once, even if its worker dies before it tells the queue. What it does elsewhere, such as sending
    mail, may be done again.
    """

    def __init__(
        self, database: Database, runs: Mapping[Key, Run], upkeep: Mapping[str, Callable[[], Awaitable[object]]]
    ) -> None:
        """`upkeep` opens units of work of its own."""
        self._database = database
        self._runs = runs
        self._upkeep = upkeep

    async def run(self, id: int, worker_id: int | None, arguments: Arguments) -> None:
        """Do a job that this worker has taken up. Raises NotUnderstood for one that no module has any more, Contended
        when another worker has taken it up meanwhile, and what the subscriber raises.
        """
        if arguments.get("done"):
            return
        job, event = arguments["job"], arguments.get("event")
        if job in self._upkeep:
            await self._upkeep[job]()
            return
        if (job, event) not in self._runs:
            about = f" about {event}" if event else ""
            raise NotUnderstood(f"No module of this release has the job {job}{about}.")
        origin = Origin(request_id=arguments.get("request_id"))
        async with self._database.unit_of_work(variables=origin.variables()) as unit:
            await self._runs[job, event](Change(unit), arguments)
            if not await unit.execute(DONE, {"id": id, "worker_id": worker_id}):
                raise Contended
