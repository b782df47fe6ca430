"""The log: structlog renders all lines, ours and those of the standard library's loggers, such as uvicorn's.

JSON on each line; text where standard error is a terminal. A line of a request has its id.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.observing.activity import current_activity


def log_configuration() -> dict[str, Any]:
    """For `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "shared.observing.logs.line_formatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {"trellis": {"level": "INFO"}, "uvicorn": {"level": "INFO"}},
    }


def line_formatter() -> logging.Formatter:
    """For records of the standard library: the line has what `extra` gives."""
    rendering = _rendering(is_terminal=sys.stderr.isatty())
    return ProcessorFormatter(foreign_pre_chain=[ExtraAdder(), _described], processors=rendering)


class Lines(Protocol):
    """A logger of lines that consist of fields."""

    def info(self, event: str, **fields: Any) -> None:
        """Write a line."""


def line_log(name: str) -> Lines:
    """For a line at every request. It writes past the standard library's loggers, which would cost twice as much."""
    logger = structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[_stamped, *_rendering(is_terminal=sys.stderr.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    lines: Lines = logger.bind(level="INFO", logger=name)
    return lines


def _rendering(*, is_terminal: bool) -> list[Processor]:
    last: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.EventRenamer("message")]
    return [*last, _printable, _CONSOLE] if is_terminal else [*last, _json]


def _stamped(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return event


def _described(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event.pop("_record")
    for unwanted in ("_from_structlog", "color_message"):  # The second is uvicorn's.
        event.pop(unwanted, None)
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "request_id": current_activity.get().id,
        **event,
    }


_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


def _json(_: WrappedLogger, __: str, event: EventDict) -> str:
    """In ASCII, so that no client's text can forge a line or control a terminal."""
    return _encode(event)


def _printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """For a terminal: without characters that control it. What the message of a request's line has is not repeated."""
    if event["logger"] == "trellis.access":
        event = {name: value for name, value in event.items() if name not in {"method", "route", "status"}}
    return {
        name: value if name == "exception" or not isinstance(value, str) or value.isprintable() else ascii(value)[1:-1]
        for name, value in event.items()
    }


_CONSOLE = structlog.dev.ConsoleRenderer(
    colors=True,
    event_key="message",
    timestamp_key="time",
    exception_formatter=structlog.dev.plain_traceback,
    pad_event_to=0,
    pad_level=False,
)
