"""Trellis served by Granian in uvicorn's place, for the comparison: `python -m benchmarks.under_granian`.

Granian stands among the packages of the peers; all others are Trellis's own, as they are locked. What the deadlines and
bounds of our uvicorn do (shared/http/server/protocol.py) is not done here.
"""

import logging.config
import os
import sys

from fastapi import FastAPI

from app.asgi import create_app
from app.container import compose
from benchmarks.servers import GRANIAN_PACKAGES
from shared.manifest import discover
from shared.observing import log_configuration
from shared.settings import Settings


def application() -> FastAPI:
    """The application, as `trellis serve` makes it."""
    settings = Settings.load()
    logging.config.dictConfig(log_configuration())
    return create_app(compose(settings.with_secret(), discover()))


def main() -> None:
    """Serve with one worker, which is a process of its own, on uvloop as uvicorn is."""
    sys.path.append(str(GRANIAN_PACKAGES))
    from granian import Granian  # type: ignore[import-not-found]  # noqa: PLC0415  (It is there from now on.)
    from granian.constants import HTTPModes, Interfaces, Loops  # type: ignore[import-not-found]  # noqa: PLC0415

    Granian(
        "benchmarks.under_granian:application",
        factory=True,
        interface=Interfaces.ASGI,
        address="127.0.0.1",
        port=int(os.environ["PORT"]),
        workers=1,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        log_access=Settings.load().access_log,
    ).serve()


if __name__ == "__main__":
    main()
