"""Processes of `trellis` that need not import it first: forks of one that has. Imports take longer than most tests do.

Each is a process of its own all the same, with its own environment, folder, output and end. Where it matters how Python
itself is started, tests start it: see `tests.servers`.

`python -m tests.forks FD` is the process that forks. On the socket FD it is asked for processes, one message each, with
the files for output and a socket on which it tells the process's id, and later how it ended. It ends with the socket.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from shared.manifest import discover
from tests.patience import PATIENCE

PROGRAM = "app.cli"
MOST_BYTES = 1 << 17
"""Of a message: arguments and environment."""


class Fork:
    """What tests ask of a `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: IO[Any],
        errors: IO[Any],
    ) -> None:
        self._told, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.returncode: int | None = None
        wanted = json.dumps({"arguments": arguments, "folder": str(folder), "environment": dict(environment)})
        with theirs:
            files = [theirs.fileno(), output.fileno(), errors.fileno()]
            socket.send_fds(_forking(os.getpid()), [wanted.encode()], files)
        self.pid = int(self._message(PATIENCE) or 0)
        assert self.pid, "No process was forked."

    def poll(self) -> int | None:
        """Its exit code, once it has ended; of a signal, the negative number."""
        if self.returncode is None and (status := self._message(0)) is not None:
            self.returncode = os.waitstatus_to_exitcode(int(status))
            self._told.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._has_message(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(PROGRAM, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing, once it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _message(self, timeout: float) -> bytes | None:
        """The next one: first its id, then its status at the end."""
        return self._told.recv(64) if self._has_message(timeout) else None

    def _has_message(self, timeout: float | None) -> bool:
        poll = select.poll()
        poll.register(self._told, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))


@cache
def _forking(pid: int) -> socket.socket:
    """Where the process with this id asks for forks: this one, whose own forks would ask elsewhere."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
            cwd=Path(__file__).parents[1],
            env=environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    atexit.register(_end, ours, process)
    return ours


def _end(asking: socket.socket, process: subprocess.Popen[bytes]) -> None:
    asking.close()
    process.wait(PATIENCE)


def _child(asked: socket.socket) -> list[str]:
    """Fork whenever it is asked for, and give each child the arguments that it is started with."""
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    telling: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            woken.recv(64)
            _tell_of_ends(telling)
        if asked not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(asked, MOST_BYTES, 3)
        if not message:  # Whoever asked has ended, be it by a signal: so do those that nobody will stop.
            for pid in telling:
                os.kill(pid, signal.SIGTERM)
            sys.exit()
        told, output, errors = descriptors
        if pid := os.fork():
            telling[pid] = socket.socket(fileno=told)
            telling[pid].send(str(pid).encode())
            os.close(output)
            os.close(errors)
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (asked, woken, wake, *telling.values()):
            end.close()
        os.close(told)
        return _as_wanted(json.loads(message), output, errors)


def _tell_of_ends(telling: dict[int, socket.socket]) -> None:
    while telling:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with telling.pop(pid) as told, suppress(OSError):  # Nobody may want to know any more.
            told.send(str(status).encode())


def _as_wanted(wanted: dict[str, Any], output: int, errors: int) -> list[str]:
    """Take on the folder, the environment and the output that were asked for. The arguments."""
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    for file, number in ((output, 1), (errors, 2)):
        os.dup2(file, number)
        os.close(file)
    return [PROGRAM, *wanted["arguments"]]


def main() -> None:
    """Import everything, and fork."""
    importlib.import_module(PROGRAM)
    discover()
    del sys.modules[PROGRAM]  # Each runs it as its main program.
    gc.freeze()  # A fork that collected garbage would copy all of it.
    sys.argv = _child(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
