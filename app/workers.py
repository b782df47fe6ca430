"""Several processes that serve on one port, for a machine without an orchestrator: `trellis serve --workers 4`.

Uvicorn's supervisor starts them, and again those that die. What a deployment has once, it has once here, too: the
embedded database in the supervisor, the worker in the first process. The pools are divided.
"""

import logging
import logging.config
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from socket import socket
from time import monotonic
from typing import ClassVar

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from app.container import compose
from app.embedded import EmbeddedPostgres
from app.serving import StartError, does_jobs, exit_at_signals, listening, revive, server_of, welcome
from shared.manifest import discover
from shared.observing import log_configuration
from shared.settings import Settings

WORKERS = """How many processes serve. They divide TRELLIS_POOL_SIZE, TRELLIS_MAX_REQUESTS and TRELLIS_MAX_CONNECTIONS
among them. An orchestrator's replicas do the same, and move."""
ANSWER_SECONDS = 15
"""What a process may need to answer the supervisor, before it is taken for hanging and killed."""

log = logging.getLogger("trellis")


def refuse_too_many(processes: int, settings: Settings) -> None:
    """Raises StartError."""
    least = min(settings.pool_size, settings.max_requests, settings.max_connections)
    if processes > least:
        raise StartError(
            f"{processes} processes cannot divide TRELLIS_POOL_SIZE ({settings.pool_size}), TRELLIS_MAX_REQUESTS "
            f"({settings.max_requests}) and TRELLIS_MAX_CONNECTIONS ({settings.max_connections}) among them."
        )


def share_of(settings: Settings, processes: int) -> Settings:
    """The settings of each process."""
    divided = ("pool_size", "max_requests", "max_connections")
    return settings.model_copy(update={name: getattr(settings, name) // processes for name in divided})


def run_servers(settings: Settings, processes: int, embedded: EmbeddedPostgres | None) -> None:
    """Serve by several processes, until SIGTERM or SIGINT. Raises StartError."""
    has_worker = does_jobs(settings, is_embedded=embedded is not None)
    own = share_of(settings.model_copy(update={"worker": has_worker}), processes)
    # It makes its processes of this, and asks nobody which. They know themselves what they serve.
    multiprocess.Process = partial(_Process, own)  # type: ignore[misc,assignment]
    config = uvicorn.Config("", workers=processes, log_config=None, timeout_worker_healthcheck=ANSWER_SECONDS)
    with listening(settings.host, settings.port) as listener:
        supervisor = _Supervisor(config, [listener], embedded)
        supervisor.run()
    if any(one.exitcode == STARTUP_FAILURE for one in supervisor.processes):
        raise StartError("A process did not start; the log says why.")


class _Supervisor(multiprocess.Multiprocess):
    """Uvicorn's, which also looks after the embedded database, and passes a second signal on.

    A seam: tests/seams/test_uvicorn.py tells when a release changes it.
    """

    # The pools were divided among as many as there are. A new release is a new start.
    handle_hup = handle_ttin = handle_ttou = None  # type: ignore[assignment]

    def __init__(self, config: uvicorn.Config, sockets: list[socket], embedded: EmbeddedPostgres | None) -> None:
        super().__init__(config, sockets)
        self._embedded = embedded
        _Process.signals = self.signal_queue

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        if self._embedded is not None:
            revive(self._embedded)

    def terminate_all(self) -> None:
        super().terminate_all()
        for listener in self.sockets:  # The processes have their own, and nobody listens any more when they close them.
            listener.close()

    def join_all(self) -> None:
        for one in self.processes:
            while one.process.is_alive():
                one.process.join(0.1)
                if self.signal_queue:
                    self.signal_queue.clear()
                    self._end_drain()

    def _end_drain(self) -> None:
        for one in self.processes:
            if one.pid is not None and one.process.is_alive():
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGINT)


class _Process(multiprocess.Process):
    """One that serves. It is made in the supervisor, and pickled into a process of its own."""

    made: ClassVar[int] = 0
    with_worker: ClassVar["_Process | None"] = None
    """The last one that has the worker beside it."""
    signals: ClassVar[list[int]] = []
    """Those that the supervisor has got, and not heeded yet."""

    def __init__(self, settings: Settings, config: uvicorn.Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self._settings = settings
        self._is_first = not _Process.made
        _Process.made += 1
        former = _Process.with_worker
        self._has_worker = bool(settings.worker) and (former is None or former.exitcode is not None)
        if self._has_worker:
            _Process.with_worker = self

    def target(self, sockets: list[socket] | None = None) -> None:
        """What the new process does."""
        logging.config.dictConfig(log_configuration())
        exit_at_signals()
        threading.Thread(target=self.always_pong, daemon=True).start()
        try:
            server = self._server = server_of(compose(self._settings, discover()), does_jobs=self._has_worker)
        except Exception:  # Whatever it is, it would fail the same way again.
            log.exception("The process cannot serve.")
            sys.exit(STARTUP_FAILURE)
        if self._is_first and self._settings.environment == "development":
            server.welcome = welcome
        server.run(sockets)

    def is_alive(self, timeout: float = 5) -> bool:
        """Whether it answers in time. Uvicorn's own waits for one that starts, or has died meanwhile, whatever signal
        there is; a service manager would kill them all before that.
        """
        until = monotonic() + timeout
        with suppress(OSError, EOFError):
            self.parent_conn.send(b"ping")
            while self.process.is_alive() and monotonic() < until:
                if _Process.signals:
                    return True  # First things first.
                if self.parent_conn.poll(0.1):
                    self.parent_conn.recv()
                    return True
        return False

    def pong(self) -> None:
        self.child_conn.recv()
        self.child_conn.send(self._server is not None and self._server.started)
