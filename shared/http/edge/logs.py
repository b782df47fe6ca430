"""The log: one configuration for our lines and the server's, each with the id of its request."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from shared.http.edge.request_id import current_request_id
from shared.settings import Settings


def log_configuration(settings: Settings) -> dict[str, Any]:
    """For `logging.config.dictConfig`: plain text for a developer, JSON lines for a machine."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request": {"()": "shared.http.edge.logs.RequestId"}},
        "formatters": {
            "development": {"format": "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"},
            "production": {"()": "shared.http.edge.logs.JsonLines"},
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "filters": ["request"], "formatter": settings.environment}
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {"trellis": {"level": "INFO"}, "uvicorn": {"level": "INFO"}},
    }


class RequestId(logging.Filter):
    """Adds the id of the current request to a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id.get()
        return True


class JsonLines(logging.Formatter):
    """A JSON object on each line, in ASCII, so that no client's text can forge a line or control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
