"""The comparison: Trellis and its peers side by side, in interleaved rounds. `make bench`."""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

import click

from benchmarks import machine, report
from benchmarks.accounts import Account, register
from benchmarks.bodies import require_same_bodies
from benchmarks.database import Filler, migrated_database
from benchmarks.load import CONNECTIONS, Measurement, Scenario, pgbench, pgbench_program, require_tools, wrk
from benchmarks.progress import Progress
from benchmarks.servers import CONTESTANTS, TRELLIS, Contestant, running

PROJECTS = 10_000
PAGE = "/projects?limit=20"
CEILING = "pgbench"
CEILING_LABEL = "pgbench, PostgreSQL alone"


@dataclass(frozen=True)
class Entrant:
    """Who is measured: a server, or PostgreSQL alone."""

    name: str
    label: str
    measure: Callable[[Scenario, float], Measurement]


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often everyone is measured.")
@click.option("--seconds", default=5, show_default=True, help="How long each time.")
@click.option("--only", help=f"Some of: {', '.join([one.name for one in CONTESTANTS] + [CEILING])}; commas between.")
@click.option("--quick", is_flag=True, help="One round of 2 seconds: does everything work?")
def main(rounds: int, seconds: int, only: str | None, quick: bool) -> None:
    """Measure requests a second and latencies, and write them into REPORT.md unless they are of some only."""
    require_tools()
    if quick:
        rounds, seconds = 1, 2
    chosen, with_ceiling = _chosen(only.split(",") if only else None)
    with ExitStack() as stack:
        url = stack.enter_context(migrated_database())
        click.echo("Filling the database ...")
        with running(TRELLIS, url) as server:
            reader, writer = register(server, "reader"), register(server, "writer")
        filler = Filler(url, reader.id, writer.id)
        stack.callback(filler.close)
        filler.add_projects(PROJECTS)
        project_ids = filler.project_ids(reader.id, 500)
        servers = [stack.enter_context(running(contestant, url)) for contestant in chosen]
        scenarios = scenarios_of(reader, writer, project_ids)
        equal = require_same_bodies(servers, scenarios) if servers else 0
        click.echo(f"{len(servers)} servers gave the same documents; {equal} were compared.")
        entrants = [Entrant(one.contestant.name, one.contestant.label, partial(wrk, one)) for one in servers]
        if with_ceiling:
            entrants.append(_ceiling(url, project_ids[0]))
        rows = _measure(entrants, scenarios, rounds, seconds)
        settings = {"rounds": rounds, "seconds": seconds, "connections": CONNECTIONS, "projects": PROJECTS}
        results = {
            "quick": quick,
            "machine": machine.description(filler.version()),
            "settings": settings,
            "documents_compared": equal,
            "labels": {entrant.name: entrant.label for entrant in entrants},
            "scenarios": {scenario.name: scenario.title for scenario in scenarios},
            "rounds": rows,
        }
    if only:
        click.echo(report.summary(results))
        return
    report.keep("comparison", results)
    report.write("comparison", report.comparison(results))
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


def scenarios_of(reader: Account, writer: Account, project_ids: Sequence[str]) -> list[Scenario]:
    """Creation comes last, and by another account: the pages that are read stay as they are."""
    body = json.dumps({"name": "A trellis"})
    return [
        Scenario("get", "one project", reader, [f"/projects/{id}" for id in project_ids]),
        Scenario("page", "page of 20 with their tags", reader, [PAGE]),
        Scenario("create", "create", writer, ["/projects"], "POST", body),
    ]


def _ceiling(url: str, project_id: str) -> Entrant:
    def measure(scenario: Scenario, seconds: float) -> Measurement:
        caller = {"caller": scenario.caller.id, "session": scenario.caller.session_id}
        return pgbench(url, scenario.name, caller | {"project": project_id}, seconds)

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
