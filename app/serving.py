"""The server: uvicorn, which drains before it stops, and lets nobody in while it is overloaded."""

import logging
import multiprocessing
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from time import monotonic
from types import FrameType

import click
import uvicorn

from app.asgi import create_app
from app.container import Application
from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
from shared.http.edge import Drain
from shared.http.server import bounded
from shared.settings import Settings

log = logging.getLogger("trellis")


ACCEPTED_AT_ONCE = 8
"""Connections that are accepted in a turn of the event loop. uvloop accepts one for each listening socket that it has,
too few when turns are long: connections would wait for seconds, before anybody could refuse their requests.
"""


class StartError(Exception):
    """The server cannot start; the message says why."""


class Server(uvicorn.Server):
    """Drains: after SIGTERM it is not ready any more, and goes on to serve for as long as a proxy needs to notice. Then
    uvicorn's own end begins: the listener and idle connections close, and requests in flight finish.

    A seam, to uvicorn's `handle_exit`, `on_tick` and `startup`: tests/seams/test_uvicorn.py.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._drain_seconds = drain_seconds
        self._begun_at: float | None = None
        self.welcome: Callable[[str], None] | None = None
        """Is told each address, once the application has started."""

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        own = sockets or []
        for one in own:
            # Other processes may serve on it already. `dup` gives the copy this one's mode, and with it them all: their
            # event loops would wait in `accept` when another has taken the connection.
            one.setblocking(False)
        super().run([*own, *(one.dup() for one in own for _ in range(ACCEPTED_AT_ONCE - 1))])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets:
            here = _address(sockets[0])
            log.info("Listening on %s", here)
            if self.welcome is not None:
                self.welcome(here)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the drain. Another one ends it; after that, another is uvicorn's again."""
        if not self._drain.has_begun:
            self._drain.has_begun = True
            super().handle_exit(sig, frame)
        elif _is_repeated(sig):
            return
        elif self._drain_seconds:
            self._drain_seconds = 0.0
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if not await super().on_tick(counter):
            return _has_lost_its_parent()
        if self._begun_at is None:
            self._begun_at = monotonic()
            if self._drain_seconds:
                log.info("Not ready any more. New connections are taken for %g s.", self._drain_seconds)
            for connection in list(self.server_state.connections):
                connection.announce_end()  # type: ignore[union-attr]  # It is one of ours.
        return monotonic() - self._begun_at >= self._drain_seconds


def _is_repeated(sig: int) -> bool:
    """Whether a service manager sends it to each process of a group, of which the supervisor sends it, too."""
    return sig == signal.SIGTERM and multiprocessing.parent_process() is not None


def _has_lost_its_parent() -> bool:
    """Whether the supervisor was killed: the next one needs the port."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def server_of(application: Application, *, does_jobs: bool) -> Server:
    """The server of an application, and perhaps a worker beside it."""
    settings = application.kernel.settings()
    app = create_app(application, _worker_beside(application) if does_jobs else nullcontext())
    config = uvicorn.Config(
        app,
        http=bounded(settings, application.http.drain(), application.http.gate(), app.rules),
        ws="none",
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.shutdown_seconds,  # type: ignore[arg-type]  # Any number to asyncio.
        log_config=None,
        proxy_headers=False,  # shared.http.edge reads them.
        access_log=False,  # shared.http.edge writes a line for each request.
        server_header=False,
    )
    _allow_files(settings.max_connections)
    return Server(config, application.http.drain(), settings.drain_seconds)


def run_server(application: Application, embedded: EmbeddedPostgres | None) -> None:
    """Serve in this process, until SIGTERM or SIGINT. Raises StartError."""
    settings = application.kernel.settings()
    server = server_of(application, does_jobs=does_jobs(settings, is_embedded=embedded is not None))
    if embedded is not None:
        server.config.callback_notify, server.config.timeout_notify = _revival(embedded), 1
    if settings.environment == "development":
        server.welcome = welcome
    exit_at_signals()
    with listening(settings.host, settings.port) as listener:
        server.run([listener])


def does_jobs(settings: Settings, *, is_embedded: bool) -> bool:
    """Whether there is a worker beside the server."""
    return is_embedded if settings.worker is None else settings.worker


def _worker_beside(application: Application) -> AbstractAsyncContextManager[None]:
    from app.worker import working  # noqa: PLC0415 (imports Procrastinate)

    return working(application)


def exit_at_signals() -> None:
    """Exit with success, through every `finally`. Uvicorn raises the signal again when it has finished."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: sys.exit(0))


def listening(host: str, port: int) -> socket.socket:
    """A listening socket; `::` is every address, of IPv4 as well. Connections wait until they are accepted. Raises
    StartError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:  # UnicodeError: an impossible host name.
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (")[0]  # Python adds the address.
        raise StartError(f"Cannot listen on {host}, port {port}: {reason}. PORT sets another.") from error


def _allow_files(connections: int) -> None:
    """Raise the limit of open files, of which each connection is one: many shells allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 1000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        if limit < wanted:
            log.warning(
                "This process may open %d files. TRELLIS_MAX_CONNECTIONS (%d) and what it needs itself are %d: have "
                "ulimit -Hn allow as many, or connections beyond that are closed without an answer.",
                *(limit, connections, wanted),
            )


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _revival(embedded: EmbeddedPostgres) -> Callable[[], Awaitable[None]]:
    async def revival() -> None:
        revive(embedded)

    return revival


def revive(embedded: EmbeddedPostgres) -> None:
    """Start the embedded database again if it has ended."""
    try:
        embedded.revive()
    except (EmbeddedPostgresError, OSError) as error:
        log.warning("%s", error)  # The next call takes it from there.


def welcome(here: str) -> None:
    """Tell a developer where to go on."""
    click.echo(f"""
  Trellis      {here}
  Docs         {here}/docs
  An account   curl {here}/api/v1/users -H 'Content-Type: application/json' \\
                 -d '{{"email": "you@example.com", "password": "correct horse battery", "full_name": "You"}}'
  Make it an administrator's with: trellis users promote you@example.com
""")
