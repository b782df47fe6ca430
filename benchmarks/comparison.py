"""The part of REPORT.md that `run` writes: Trellis beside its peers, and beside what is wanted of it."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks import charts
from benchmarks.report import QUICK, machine, plot, table

OURS, DRIZZLE, TUTORIAL = "trellis", "fastify-drizzle", "tutorial-async"
WANTED: Mapping[str, Mapping[str, float]] = {
    DRIZZLE: {"get": 1.1, "page": 1.4, "patch": 0.9, "create": 0.9, "mix": 1.1},
    TUTORIAL: {"get": 10, "page": 9, "patch": 6, "create": 5},
}
"""At least so many times the requests a second of a peer."""
TAIL = 3.0
"""p99 is at most so many times p50."""
PATCH = 1.3
"""A patch takes at most so many times the processor time of a create."""
USERS = ("server_core", "load_core", "postgresql", "others")
"""Of the processors."""
FULL = 0.9
"""So much of a core is all of it: something always goes to waiting for the other side."""

Round = Mapping[str, float]
Rounds = Mapping[str, Mapping[str, Sequence[Round]]]
"""By kind of work and name."""

_HOW = """### How it was measured

Each server is one process, pinned to one core (Granian's worker is a process beside the one that watches it); `wrk`
loads one after the other from another core with {connections} connections; PostgreSQL runs wherever there is room. All
use the same database of {projects:,} projects with three tags each, of 100 users; the caller owns a tenth. Every
request carries a token (JWT, HS256) that is verified, and its user is looked up in the database. Before timing,
{compared:,} documents of the others were compared with those of Trellis: equal as JSON values, times as instants. A
change must show its outcome, and the same once more be refused with 412; so must be who is nobody, and an empty name.
{rounds} round{plural} of {seconds} seconds, interleaved over the servers, after a warm-up each; medians, and in
brackets the least and the most. A ratio is of two runs of the same round. An answer that is no success, or a change
without its outcome, fails the run.

One project: 500 different ones in turn. Change one field: the status of a project, with the version of the answer
before in `If-Match`; each of {patched} projects has one request at a time. A mix: 75 % one project, 5 % page, 15 %
change, 5 % create.

"Processor" is the time of the server's own processes for each request; it moves less than the rest with what else the
machine does. "Cores" are those that the server, wrk, PostgreSQL and everything else on the machine used: the last is
next to none where it is quiet. A server that fills its core is held back by itself. Where wrk's core or the whole
machine is full, the figures say less of the server: with two cores, PostgreSQL shares the server's.

The peers, in [peers/](peers), are written as their documentation teaches, and are spared some of the work: they serve
the owner's projects only and know neither members nor administrators, check the account but not the session, and give
no ETag and no cursor for the next page. Each keeps 10 connections to the database, Trellis as many again for writing.
The journal is written by the tables' triggers, for all alike. None keeps an access log. `pgbench` runs what the peers
do, and the check of the session, as one prepared statement, from 8 clients, on all cores and without HTTP; its latency
is the mean.

{machine}

    sudo apt-get install wrk     # Debian and Ubuntu; Node.js 20 and npm for the peers in JavaScript
    make bench                   # BENCH=--quick to try it; BENCH='--rounds 3 --seconds 3' for a shorter run
    make bench BENCH='--only trellis,fastify-drizzle --work get,patch'    # some: told, but not written here
    make bench-profile
    make bench-growth            # BENCH='--huge' for ten million rows

`BENCH_DATABASE_URL` takes a PostgreSQL server of yours, which takes 150 connections, and whose role may create
databases, in place of the embedded one.
"""


def part(results: Mapping[str, Any]) -> str:
    """The part of the page: tables, plots, how to reproduce."""
    labels, rounds, settings = results["labels"], results["rounds"], results["settings"]
    lines = ["## Side by side", ""]
    lines += [QUICK] if results["quick"] else []
    lines += [*_overview(results), "", *_wanted(results)]
    for kind, title in results["scenarios"].items():
        lines += ["", f"### {title.capitalize()}", "", *_details(rounds[kind], labels, results["machine"]["cores"])]
        values = {labels[name]: _median(of_server, "per_second") for name, of_server in rounds[kind].items()}
        lines += ["", plot(kind, charts.bars(f"{title}: requests a second", values, labels.get(OURS, "")))]
    how = _HOW.format(
        **settings,
        compared=results["documents_compared"],
        plural="" if settings["rounds"] == 1 else "s",
        machine=machine(results["machine"]),
    )
    return "\n".join([*lines, "", how])


def tables(results: Mapping[str, Any]) -> str:
    """The tables alone, of a run that is not kept."""
    lines = [*_overview(results), "", *_wanted(results)]
    for kind, title in results["scenarios"].items():
        lines += ["", title, *_details(results["rounds"][kind], results["labels"], results["machine"]["cores"])]
    return "\n".join(lines)


def _overview(results: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, label in results["labels"].items():
        cells = [f"{_median(results['rounds'][kind][name], 'per_second'):,.0f}" for kind in results["scenarios"]]
        rows.append([f"**{label}**" if name == OURS else label, *cells])
    return table(["requests a second", *results["scenarios"].values()], rows)


def _wanted(results: Mapping[str, Any]) -> list[str]:
    """What Trellis reaches of what is wanted; in bold what it does not."""
    rounds: Rounds = results["rounds"]
    peers = [name for name in WANTED if name in results["labels"]]
    if OURS not in results["labels"]:
        return []
    header = ["Trellis"]
    for name in peers:
        header += [f"of {results['labels'][name]}", "wanted"]
    rows = []
    for kind, title in results["scenarios"].items():
        of_ours, row = rounds[kind][OURS], [title]
        for name in peers:
            wanted = WANTED[name].get(kind)
            row += [_held(_ratios(of_ours, rounds[kind][name]), "×", least=wanted), f"≥ {wanted}×" if wanted else ""]
        rows.append([*row, _held(_tails(of_ours), "", most=TAIL), f"≤ {TAIL:g}"])
    lines = table([*header, "p99 / p50", "wanted"], rows)
    if {"patch", "create"} <= rounds.keys():
        patch, create = (rounds[kind][OURS] for kind in ("patch", "create"))
        dearer = _held(
            [one["processor"] / other["processor"] for one, other in _paired(patch, create)], "×", most=PATCH
        )
        lines += ["", f"A patch takes {dearer} the processor time of a create; wanted: ≤ {PATCH}×."]
    return [*lines, "", "In bold: what is wanted, and not reached."]


def _details(rounds: Mapping[str, Sequence[Round]], labels: Mapping[str, str], cores: int) -> list[str]:
    bases = [name for name in WANTED if name in rounds]
    header = ["", "requests a second", *(f"of {labels[name]}" for name in bases), "processor, µs each"]
    header += ["p50, ms", "p99, ms", "p99 / p50", "cores: server + wrk + PostgreSQL + others", "held back by"]
    rows = []
    for name, of_server in rounds.items():
        row = [labels[name], _spread([one["per_second"] for one in of_server], ",.0f")]
        row += [_spread(_ratios(of_server, rounds[base]), ".2f", "×") for base in bases]
        if of_server[0].get("processor"):
            used = {whose: _median(of_server, whose) for whose in USERS}
            row += [f"{_median(of_server, 'processor'):,.0f}", f"{_median(of_server, 'p50'):.2f}"]
            row += [f"{_median(of_server, 'p99'):.2f}", f"{median(_tails(of_server)):.1f}"]
            row += [" + ".join(f"{one:.2f}" for one in used.values()), _held_back_by(used, cores)]
        else:
            row += ["", f"{_median(of_server, 'p50'):.2f}", "", "", "", ""]
        rows.append(row)
    return table(header, rows)


def _held_back_by(used: Mapping[str, float], cores: int) -> str:
    """Which processor was full: where it was another than the server's, the figures say less of the server."""
    if used["server_core"] >= FULL:
        return "its core"
    if used["load_core"] >= FULL:
        return "wrk"
    if sum(used.values()) < FULL * cores:
        return "waiting"
    return "PostgreSQL" if used["postgresql"] > used["others"] else "other processes"


def _held(values: Sequence[float], unit: str, *, least: float | None = None, most: float | None = None) -> str:
    """The median and the range; in bold when it is less than the least or more than the most."""
    missed = (least is not None and median(values) < least) or (most is not None and median(values) > most)
    told = _spread(values, ".2f", unit)
    return f"**{told}**" if missed else told


def _spread(values: Sequence[float], form: str, unit: str = "") -> str:
    middle = f"{median(values):{form}}{unit}"
    return middle if min(values) == max(values) else f"{middle} ({min(values):{form}}–{max(values):{form}})"


def _ratios(ours: Sequence[Round], theirs: Sequence[Round]) -> list[float]:
    return [one["per_second"] / other["per_second"] for one, other in _paired(ours, theirs)]


def _tails(of_server: Sequence[Round]) -> list[float]:
    return [one["p99"] / one["p50"] for one in of_server]


def _paired(ours: Sequence[Round], theirs: Sequence[Round]) -> list[tuple[Round, Round]]:
    return list(zip(ours, theirs, strict=True))


def _median(of_server: Sequence[Round], name: str) -> float:
    return median(one.get(name, 0) for one in of_server)
