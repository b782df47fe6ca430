"""What the launcher asks of the machine: locks, files, ports, and whose environment it is."""

import fcntl
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO


def kept_password(file: Path) -> bytes:
    """Of a cluster that was moved away, perhaps: that one may be wanted again. Empty where there is none."""
    with suppress(FileNotFoundError):
        kept = file.read_bytes()
        if re.fullmatch(rb"[\w-]{32}", kept):
            return kept
    return b""


def until(condition: Callable[[], bool], patience: float) -> bool:
    """Poll until the condition holds; false if it does not within so many seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def locked(file: IO[bytes]) -> bool:
    """Lock the file, unless someone else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def private(path: str, flags: int) -> int:
    """For `open`: a file of its owner's alone."""
    return os.open(path, flags, 0o600)


def bound(port: int) -> int:
    """The port, or a free one for 0. Raises OSError when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As PostgreSQL does: past clients do not count.
        probe.bind(("127.0.0.1", port))
        given: int = probe.getsockname()[1]
        return given


def forget_other_servers() -> None:
    """PGSERVICE, PGHOSTADDR, PGSSLMODE and their like; no URL can overrule each of them."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
