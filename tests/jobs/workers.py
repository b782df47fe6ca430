"""Workers of the planted modules, as processes of their own, ended by their process ids."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import servers
from tests.forks import PROGRAM
from tests.patience import PATIENCE, eventually
from tests.servers import ROOT, Process, own_environment

SILENT_SECONDS = 10
"""A slow machine starves a worker for less than this."""


@dataclass
class Worker:
    process: Process
    log: Path

    def output(self) -> str:
        return self.log.read_text()

    def end(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(PATIENCE)


@contextmanager
def worker(url: str, log: Path, command: str = "tests.jobs.planted", *arguments: str, **more: str) -> Iterator[Worker]:
    """Once it is at work."""
    environment = {
        "DATABASE_URL": url,
        "TRELLIS_ENVIRONMENT": "development",
        "TRELLIS_DATA_DIR": str(log.parent / "data"),
        "TRELLIS_WORKER_SILENT_SECONDS": str(SILENT_SECONDS),
        "TRELLIS_JOB_RETRY_SECONDS": "0.1",
        "TRELLIS_POOL_WAIT_SECONDS": str(PATIENCE),
        "TRELLIS_STATEMENT_SECONDS": str(PATIENCE),
    } | more
    with log.open("w") as output:
        process: Process
        if command == PROGRAM:
            process = servers.started(arguments, environment, output)
        else:
            process = subprocess.Popen(
                [sys.executable, "-m", command, *arguments],
                cwd=ROOT,
                env=own_environment(environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
    started = Worker(process, log)
    try:
        eventually(lambda: "A worker does up to" in started.output() or process.poll() is not None)
        assert process.poll() is None, started.output()
        yield started
    finally:
        process.kill()
        process.wait()
