"""PgBouncer in transaction mode, as a process of its own, on loopback; stopped by its process id."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.database import url_with
from tests.patience import PATIENCE, eventually
from tests.servers import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="There is no PgBouncer here: apt install pgbouncer")

_CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
{more}
"""


@contextmanager
def pooling(url: str, connections: int = 2, more: str = "") -> Iterator[str]:
    """The URL of the same database behind a pooler with so many connections to it, for any number of clients."""
    assert PROGRAM is not None
    at = conninfo_to_dict(url)
    server = make_conninfo(**{name: str(at[name]) for name in ("host", "port", "user", "password") if at.get(name)})
    port = free_port()
    if os.geteuid() == 0:
        more += "\nuser = nobody"  # PgBouncer refuses to run as root.
    configuration = _CONFIGURATION.format(server=server, port=port, connections=connections, more=more)
    with tempfile.TemporaryDirectory(prefix="trellis-pooler-") as folder, Path(folder, "log").open("w+b") as log:
        Path(folder, "ini").write_text(configuration)
        process = subprocess.Popen([PROGRAM, str(Path(folder, "ini"))], stdout=log, stderr=log)
        pooled = url_with(url, host="127.0.0.1", port=str(port), sslmode="disable")

        def is_ready() -> bool:
            assert process.poll() is None, Path(log.name).read_text()
            with suppress(psycopg.OperationalError), psycopg.connect(pooled, connect_timeout=5):
                return True
            return False

        try:
            eventually(is_ready)
            yield pooled
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.kill()
            process.wait()
