"""Who goes to work: each request passes the gate before the application sees it, and has a deadline as a whole.

It stands here and not among ASGI's middlewares, since a request that reached one has cost a third of what it costs to
serve it. Refused here, with an answer that is ready, it costs a tenth: so a server can refuse as many as it serves, and
go on to serve.
"""

import asyncio
import math
from collections.abc import Mapping
from time import perf_counter
from typing import ClassVar

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from shared.deadline import Deadline
from shared.errors import Unavailable
from shared.http.edge import GONE, HEARD, LEAVE, REFUSAL, Charge
from shared.http.server.gate import Gate
from shared.http.server.prepared import PreparedProblem
from shared.http.server.requests import Phase, RequestProtocol

ABANDONED = 0.5
"""Seconds that a request goes on after its client went away. Most are done by then, and have not cost a connection to
PostgreSQL, which a statement that is cut off costs.
"""


RETRY_SECONDS = 1.0
"""What `Retry-After` asks for at the least."""


class GatedProtocol(RequestProtocol):
    """A connection whose requests pass the gate.

    One whose body is yet to come begins without a place, so that a slow client takes none from others, and counts from
    the end of its body. Where there is none it waits for its body first, and then for a place: clients often send both
    apart. A body that is too large to be kept so long, or that waits to be asked for, is refused before it is sent.
    """

    gate: ClassVar[Gate]
    overloaded: ClassVar[PreparedProblem]
    exceeded: ClassVar[Mapping[str, PreparedProblem]]
    """The answer to a client that has asked too much, by the name of the policy."""

    _is_abandoned = False
    _exceeded: Charge | None = None
    """Why the request is refused, where that is not for overload."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        self._work = Deadline(self.loop, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.forget(self)
        if self._task is None or self._task.done():
            self._work.cancel()
        else:
            self._is_abandoned = True
            self._work.set(ABANDONED)
        super().connection_lost(exc)

    def admit(self) -> None:
        self.scope["state"].setdefault(HEARD, perf_counter())  # It comes again, when it is held on.
        is_to_come = self._phase is Phase.BODY
        if (charge := self.rules.exceeded(self.scope)) is not None:
            if not is_to_come or self._is_large():
                super().admit()
                self.rules.count_refused(charge)
                self._exceeded = charge
                self.gate.refuse(self)
            return
        is_free = self.gate.is_open or (is_to_come and self._is_urgent())
        if is_to_come and not is_free and not self._is_large():
            return  # It is held on, and comes again with its body.
        super().admit()
        if is_to_come:
            if is_free:
                self.begin()
            else:
                self.gate.refuse(self)
        elif self.gate.is_open or not self._is_urgent():
            self._count_in()
            self.gate.enter(self)
        else:
            self.begin()

    def on_message_complete(self) -> None:
        is_late = self._phase is Phase.BODY and not self._is_held
        super().on_message_complete()
        if is_late and self._phase is Phase.ANSWER and not self.cycle.response_started:
            self._count_in()
            self.gate.count()

    def shed(self) -> None:
        """Answer, past the application, that the client has asked too much, or that the server is overloaded."""
        charge, self._exceeded = self._exceeded, None
        if charge is None:
            self.gate.count_refused()
            problem, retry_after = self.overloaded, math.ceil(RETRY_SECONDS)
        else:
            problem, retry_after = self.exceeded[charge.policy], charge.retry_after
        cycle = self.cycle
        cycle.response_started = cycle.response_complete = True
        first = (*self.server_state.default_headers, *self.rules.fields(self.scope))
        self.transport.write(problem.answer(self.scope, first, retry_after, is_kept=cycle.keep_alive))
        if cycle.keep_alive:
            self.on_response_complete()
        else:
            self.transport.close()

    def _is_large(self) -> bool:
        """Whether the body is more than uvicorn reads ahead, or its client waits for a word before it sends it."""
        announced = dict(self.scope["headers"]).get(b"content-length", b"0")
        return self.expect_100_continue or self.flow.read_paused or int(announced) > HIGH_WATER_LIMIT

    def _is_urgent(self) -> bool:
        return self.rules.is_urgent(self.scope)

    def _count_in(self) -> None:
        self.cycle.scope["state"][LEAVE] = self._leave
        self._work.set(self.settings.request_seconds)

    def _leave(self) -> None:
        self._work.clear()
        self.gate.leave()

    def _give_up(self) -> None:
        """The client went away a moment ago, or the request is not done in time: roll it back."""
        if self._task is None or self._task.done() or self.cycle.response_complete:
            return
        reason = "The client went away." if self._is_abandoned else "The request was not done in time."
        self.cycle.scope["state"].setdefault(REFUSAL, Unavailable(reason))
        if self._is_abandoned:
            self.cycle.scope["state"][GONE] = True
        self._task.cancel()
