"""Observing: what a request or a job has cost, and how the log and the metrics come to know.

What a request passes adds to its `Activity`. When it ends, the edge tells of it, and the worker of a job. It knows no
HTTP, no database and no exporter: those are in the rooms above, and in `app`.
"""

from shared.observing.activity import NO_ANSWER, OTHER, Activity, Span, current_activity
from shared.observing.logs import Lines, line_log, log_configuration
from shared.observing.tallies import BOUNDS, Tallies, Tally
from shared.observing.watch import Tracer, Watch

__all__ = [
    "BOUNDS",
    "NO_ANSWER",
    "OTHER",
    "Activity",
    "Lines",
    "Span",
    "Tallies",
    "Tally",
    "Tracer",
    "Watch",
    "current_activity",
    "line_log",
    "log_configuration",
]
