"""The log: structlog renders all lines, ours and those of the standard library's loggers, such as uvicorn's.

JSON on each line; text where standard error is a terminal. A line of a request has its id.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

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
    """For records of the standard library's loggers."""
    described: list[Processor] = [structlog.processors.format_exc_info, _described]
    return ProcessorFormatter(foreign_pre_chain=described, processors=_rendering(is_terminal=sys.stderr.isatty()))


class Lines(Protocol):
    """A logger of lines that consist of fields."""

    def info(self, event: str, **fields: Any) -> None:
        """Write a line."""


def line_log(name: str) -> Lines:
    """For a line at every request. It writes past the standard library's loggers, which would cost twice as much."""
    logger = structlog.wrap_logger(
        _Sink(sys.stderr),
        processors=[_stamped, *_rendering(is_terminal=sys.stderr.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    lines: Lines = logger.bind(level="INFO", logger=name)
    return lines


class _Sink:
    """What a line is written to. When nobody reads it any more, lines are lost and requests go on, as they do with the
    standard library's handlers.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def info(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
        except (OSError, ValueError):  # A broken pipe, or a closed file.
            return


def _rendering(*, is_terminal: bool) -> list[Processor]:
    return [_printable, _CONSOLE] if is_terminal else [_json]


def _stamped(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    event["message"] = event.pop("event")
    return event


def _described(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """With what our own lines give as `extra`. What others give may be anything, such as the arguments of a job."""
    record: logging.LogRecord = event["_record"]
    if record.name.startswith("trellis"):
        event = _EXTRA(logger, method, event)
    del event["_record"], event["_from_structlog"]
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "request_id": current_activity.get().id,
        "message": event.pop("event"),
        **event,
    }


_EXTRA = ExtraAdder()
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
