"""An activity: a request or a job under way, and what it has cost so far."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol
from uuid import UUID

log = logging.getLogger("trellis")

OTHER = "_OTHER"
"""OpenTelemetry's word for a name that could be anything: a path that is no route's, an unknown method."""

NO_ANSWER = 499
"""The status of a request whose client went away before it was answered. Nginx calls it so; nobody receives it."""

_shown: set[str] = set()
"""The statements whose text this process has logged; forgotten when they are too many."""
_MOST_SHOWN = 1000


class Span(Protocol):
    """The span of an activity, where there is tracing."""

    trace_id: str
    traceparent: str
    """What carries the trace on to a job (W3C Trace Context)."""

    def statements(self, digests: Sequence[str], seconds: float) -> None:
        """A round trip to the database, which has just ended, was part of it."""


class Activity:
    """What an activity passes adds to it, so that no function needs an argument more for the sake of the log."""

    __slots__ = (
        *("bytes", "id", "is_in_doubt", "name", "principal", "queue_seconds", "retries", "slow", "span", "sqlstates"),
        *("statement_seconds", "statements", "status", "wait_seconds"),
    )

    def __init__(self, id: str = "-", name: str = OTHER) -> None:
        self.id = id
        """The id of the request, or of the one that published the job's event."""
        self.name = name
        """The template of the route, or the job."""
        self.principal: UUID | None = None
        """Whom the token names. The session may have ended."""
        self.status = NO_ANSWER
        self.bytes = 0
        """Of the answer's content."""
        self.queue_seconds = 0.0
        """Between the head of the request and the application: for a place to work, and for its body where that came
        later.
        """
        self.statements = 0
        """Those sent to the database, BEGIN and COMMIT included."""
        self.statement_seconds = 0.0
        self.wait_seconds = 0.0
        """For a connection to the database."""
        self.slow = 0
        """Slow round trips to the database."""
        self.is_in_doubt = False
        """Whether a COMMIT was sent whose answer nobody has seen: what was changed may have been kept."""
        self.retries = 0
        """How often its unit of work was run again."""
        self.sqlstates: tuple[str, ...] = ()
        """Why the database refused statements; `-` when it could not be reached."""
        self.span: Span | None = None

    def account(
        self, count: int, seconds: float, slow_seconds: float, texts: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        """Add a round trip to the database with so many statements. `texts` gives those that are not SQLAlchemy's, by
        their digests.
        """
        self.statements += count
        self.statement_seconds += seconds
        if self.span is not None:
            self.span.statements([*texts()], seconds)
        if seconds >= slow_seconds:
            self.slow += 1
            self._tell_slow(texts(), seconds)

    def _tell_slow(self, statements: Mapping[str, str], seconds: float) -> None:
        """The texts have no values of a request. Each is logged once in a process."""
        new = [digest for digest in statements if digest not in _shown]
        if len(_shown) > _MOST_SHOWN:
            _shown.clear()
        _shown.update(new)
        told = {"statements": [*statements], "seconds": round(seconds, 3), "route": self.name}
        texts = {"sql": {digest: statements[digest] for digest in new}} if new else {}
        log.warning("Slow: %s took %.3f s", " ".join(statements) or "a session", seconds, extra=told | texts)


current_activity: ContextVar[Activity] = ContextVar("current_activity", default=Activity())  # noqa: B039 (it only adds up)
"""That of this task; outside of requests and jobs, one that nobody tells of."""
