"""Where the processor time of a request goes, layer by layer, into REPORT.md. `make bench-profile`."""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks import report
from benchmarks.load import Scenario, require_tools, wrk
from benchmarks.run import end_in_good_order, filled_database, scenarios_of
from benchmarks.servers import ROOT, TRELLIS, Server, running

SAMPLER = ROOT / ".venv-bench" / "bin" / "py-spy"
SAMPLES_A_SECOND = 500

LAYERS: Mapping[str, str] = {
    "the wire: libpq's sending and receiving, and taking apart what came": (r"shared/wire|psycopg"),
    "repositories: which statement, with which values, the cursor": r"shared/(rows|reads|writes)|modules/",
    "the token, from the cache of those that were verified": r"shared/auth|routes/authentication",
    "endpoints: what is in the request, preconditions, idempotency, ETag": (
        r"routes/(endpoints|mutations|wishes)\.py|shared/http/reads"
    ),
    "our middleware: request id, limit of the body, headers of every answer": r"shared/http/edge",
    "dependency-injector": r"dependency_injector",
    "finding the route": r"routing\.py",
    "Starlette and FastAPI: the stack of middlewares, the response": r"starlette|fastapi",
    "uvicorn and the event loop: HTTP in, HTTP out, system calls included": r"uvicorn|uvloop|asyncio",
}
"""The files of each, as a frame of a stack names them. A sample is of the innermost frame that is of any."""


@click.command()
@click.option("--seconds", default=8, show_default=True, help="How long each kind of request is sampled.")
def main(seconds: int) -> None:
    """Sample the server while it is loaded, and write the shares of the layers into REPORT.md."""
    require_tools()
    with ExitStack() as stack:
        ground = stack.enter_context(filled_database())
        server = stack.enter_context(running(TRELLIS, ground.url))
        shares = {scenario.title: _shares(server, scenario, seconds) for scenario in scenarios_of(ground)}
    report.write("profile", report.profile(shares))
    click.echo(f"Written: {report.FILE.relative_to(report.FILE.parents[1])}")


def _shares(server: Server, scenario: Scenario, seconds: int) -> Mapping[str, float]:
    """What part of the samples each layer has."""
    wrk(server, scenario, 2)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        samples = Path(folder) / "samples"
        loading = pool.submit(wrk, server, scenario, seconds + 3)
        options = ["--rate", str(SAMPLES_A_SECOND), "--duration", str(seconds), "--format", "raw"]
        command = [str(SAMPLER), "record", *options, "--output", str(samples), "--pid", str(server.process.pid)]
        subprocess.run(command, check=True, capture_output=True)
        click.echo(f"{scenario.title}: {loading.result()}, while it was sampled")
        stacks = samples.read_text().splitlines()
    counted: Counter[str] = Counter()
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        if "uvicorn" in frames:  # The others are of threads that wait for passwords.
            counted[_layer(frames.split(";"))] += int(count)
    return {layer: count / counted.total() for layer, count in counted.items()}


def _layer(frames: list[str]) -> str:
    for frame in reversed(frames):
        for layer, files in LAYERS.items():
            if re.search(files, frame):
                return layer
    return "the rest"


if __name__ == "__main__":
    end_in_good_order()
    main()
