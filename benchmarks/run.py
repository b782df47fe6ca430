"""The comparison: Trellis and its peers side by side, in interleaved rounds. `make bench`."""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from types import FrameType
from typing import Any

import click

from benchmarks import comparison, machine, report
from benchmarks.accounts import Account, register
from benchmarks.bodies import require_same_bodies
from benchmarks.database import SECOND, Filler, State, migrated_database
from benchmarks.load import (
    CONNECTIONS,
    PGBENCH_CLIENTS,
    Measurement,
    Request,
    Scenario,
    pgbench,
    pgbench_program,
    require_tools,
    wrk,
)
from benchmarks.progress import Progress
from benchmarks.servers import CONTESTANTS, TRELLIS, Contestant, running

PROJECTS = 10_000
PATCHED = 100
"""So many projects are changed in a run: each has one request at a time, so there are more than connections."""
PATCHABLE = 20 * PATCHED
"""In turn: what a run left unanswered may change its own a little later, but none of the next run's."""
PAGE = "/projects?limit=20"
MIX = {"get": 75, "page": 5, "patch": 15, "create": 5}
"""In per cent."""
_WITH_PATCH = ["get", "get", "get", "patch", "get", "get"]
MIXED = [*_WITH_PATCH, "page", *_WITH_PATCH, "create", *_WITH_PATCH]
"""The mix as it is sent, again and again."""
WORK = (*MIX, "mix")
CEILING = "pgbench"
CEILING_LABEL = "pgbench, PostgreSQL alone"


@dataclass(frozen=True)
class Entrant:
    """Who is measured: a server, or PostgreSQL alone."""

    name: str
    label: str
    measure: Callable[[Scenario, float], Measurement]


@dataclass(frozen=True)
class Ground:
    """What a run stands on: a filled database, and the two accounts that send the requests."""

    url: str
    reader: Account
    writer: Account
    filler: Filler


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often everyone is measured.")
@click.option("--seconds", default=5, show_default=True, help="How long each time.")
@click.option("--work", help=f"Kinds of work, some of: {', '.join(WORK)}; commas between.")
@click.option("--only", help=f"Some of: {', '.join([one.name for one in CONTESTANTS] + [CEILING])}; commas between.")
@click.option("--quick", is_flag=True, help="One round of 2 seconds: does everything work?")
def main(rounds: int, seconds: int, work: str | None, only: str | None, quick: bool) -> None:
    """Measure requests a second and latencies, and write them into REPORT.md unless they are of some only."""
    kinds = _kinds(work.split(",") if work else WORK)
    require_tools()
    if quick:
        rounds, seconds = 1, 2
    chosen, with_ceiling = _chosen(only.split(",") if only else None)
    with ExitStack() as stack:
        ground = stack.enter_context(filled_database())
        servers = [stack.enter_context(running(contestant, ground.url)) for contestant in chosen]
        scenarios = scenarios_of(ground)
        equal = require_same_bodies(servers, scenarios) if servers else 0
        scenarios = [scenario for scenario in scenarios if scenario.name in kinds]
        click.echo(f"{len(servers)} servers gave the same documents; {equal} were compared.")
        entrants = [Entrant(one.contestant.name, one.contestant.label, partial(wrk, one)) for one in servers]
        if with_ceiling:
            entrants.append(_ceiling(ground))
        rows = _measure(entrants, scenarios, rounds, seconds)
        settings = {"rounds": rounds, "seconds": seconds, "connections": CONNECTIONS, "projects": PROJECTS}
        results = {
            "quick": quick,
            "machine": machine.description(ground.filler.version()),
            "settings": settings | {"patched": PATCHED},
            "documents_compared": equal,
            "labels": {entrant.name: entrant.label for entrant in entrants},
            "scenarios": {scenario.name: scenario.title for scenario in scenarios},
            "rounds": rows,
        }
    if only or work:
        click.echo(comparison.tables(results))
        return
    report.keep("comparison", results)
    report.write("comparison", comparison.part(results))
    click.echo(f"Written: {report.FILE.relative_to(report.FILE.parents[1])}")


def _chosen(only: Sequence[str] | None) -> tuple[list[Contestant], bool]:
    """The servers to measure, and whether pgbench is, too. What is not there is told and left out."""
    known = [contestant.name for contestant in CONTESTANTS] + [CEILING]
    for name in only or ():
        if name not in known:
            raise click.BadParameter(f"There is no '{name}', but {', '.join(known)}.", param_hint="--only")
    chosen = []
    for contestant in CONTESTANTS:
        if only and contestant.name not in only:
            continue
        if reason := contestant.missing():
            click.echo(f"Left out: {contestant.label}: {reason}.", err=True)
        else:
            chosen.append(contestant)
    with_ceiling = not only or CEILING in only
    if with_ceiling and pgbench_program() is None:
        click.echo("Left out: pgbench: it is not there.", err=True)
        with_ceiling = False
    return chosen, with_ceiling


def _kinds(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in WORK:
            raise click.BadParameter(f"There is no '{name}', but {', '.join(WORK)}.", param_hint="--work")
    return names


@contextmanager
def filled_database() -> Iterator[Ground]:
    """The ground of a run: the reader owns a tenth of the projects, the writer some to change."""
    with migrated_database() as url:
        click.echo("Filling the database ...")
        with running(TRELLIS, url) as server:
            reader, writer = register(server, "reader"), register(server, "writer")
        with closing(Filler(url, reader.id, writer.id)) as filler:
            filler.add_projects(PROJECTS)
            filler.add_projects(PATCHABLE + PGBENCH_CLIENTS, owner=SECOND)
            yield Ground(url, reader, writer, filler)


def scenarios_of(ground: Ground) -> list[Scenario]:
    """What changes something comes last, and from another account: the pages that are read stay as they are."""
    reader, writer, filler = ground.reader, ground.writer, ground.filler
    project_ids = filler.project_ids(reader.id, 500)
    turns_of_patched = cycle(range(0, PATCHABLE, PATCHED))

    def patched() -> Sequence[State]:
        return filler.states(writer.id, next(turns_of_patched), PATCHED)

    kinds = {
        "get": [Request(reader, f"/projects/{id}") for id in project_ids],
        "page": [Request(reader, PAGE)],
        "patch": [Request(writer, "/projects", "PATCH")],
        "create": [Request(writer, "/projects", "POST", json.dumps({"name": "A trellis"}))],
    }
    turns = {name: cycle(requests) for name, requests in kinds.items()}
    mixed = [next(turns[name]) for _ in project_ids for name in MIXED]
    return [
        Scenario("get", "one project", kinds["get"]),
        Scenario("page", "page of 20 with their tags", kinds["page"]),
        Scenario("patch", "change one field", kinds["patch"], patched),
        Scenario("create", "create", kinds["create"]),
        Scenario("mix", "a mix of these", mixed, patched),
    ]


def _ceiling(ground: Ground) -> Entrant:
    reader, writer = ground.reader, ground.writer
    variables = {
        "caller": reader.id,
        "session": reader.session_id,
        "project": ground.filler.project_ids(reader.id, 1)[0],
    }
    variables |= {"writer": writer.id, "writer_session": writer.session_id, "skipped": str(PATCHABLE), "version": "0"}

    def measure(scenario: Scenario, seconds: float) -> Measurement:
        return pgbench(ground.url, MIX if scenario.name == "mix" else {scenario.name: 1}, variables, seconds)

    return Entrant(CEILING, CEILING_LABEL, measure)


def _measure(
    entrants: Sequence[Entrant], scenarios: Sequence[Scenario], rounds: int, seconds: int
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Every round of everyone, by scenario and name. The first, to warm up, is thrown away."""
    progress = Progress(len(scenarios) * len(entrants) * (rounds + 1))
    measured: dict[str, dict[str, list[dict[str, float]]]] = {}
    for scenario in scenarios:
        of_scenario = measured[scenario.name] = {entrant.name: [] for entrant in entrants}
        for number in range(rounds + 1):
            for entrant in entrants:
                one = entrant.measure(scenario, seconds if number else min(seconds, 2))
                if number:
                    of_scenario[entrant.name].append(one.to_json())
                what = f"round {number} of {rounds}" if number else "warm-up"
                progress.done(f"{scenario.title}, {what}, {entrant.name}: {one}")
    return measured


def end_in_good_order() -> None:
    """Have SIGTERM leave through every `finally`, as Ctrl-C does: no server is left behind."""

    def leave(number: int, _: FrameType | None) -> Any:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


if __name__ == "__main__":
    end_in_good_order()
    main()
