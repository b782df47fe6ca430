"""REPORT.md, in parts of which each script writes its own; the figures behind it in results/, plots in plots/."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import charts

HERE = Path(__file__).parent
FILE = HERE / "REPORT.md"
PARTS = ("comparison", "profile", "growth")
_HEAD = """# Benchmarks

Trellis beside its peers, where its time goes, and how it grows. `make bench`, `make bench-profile` and
`make bench-growth` write this page.
"""
_QUICK = "> **A quick run: it shows that the harness works. Its figures mean little.**\n"
_HOW = """### How it was measured

Each server is one process, pinned to one core; `wrk` loads one after the other from another core with {connections}
connections; PostgreSQL runs wherever there is room. All use the same database of {projects:,} projects with three tags
each, of 100 users; the caller owns a tenth. Every request carries a token (JWT, HS256) that is verified, and its user
is looked up in the database. Before timing, {compared:,} documents of the peers were compared with those of Trellis:
equal as JSON values, times as instants. {rounds} round{plural} of {seconds} seconds, interleaved over the servers,
after a warm-up each; medians. An answer that is no success fails the run. One project: 500 different ones in turn.
"Processor" is the time of the server's own process for each request; it moves less than the rest with what else the
machine does.

The peers, in [peers/](peers), are written as their documentation teaches, and are spared some of the work: they serve
the owner's projects only and know neither members nor administrators, check the account but not the session, and give
no cursor for the next page. Each keeps 10 connections to the database, Trellis as many again for writing. `pgbench`
runs what the peers do, and the check of the session, as one prepared statement, from 8 clients, on all cores and
without HTTP; its latency is the mean.

{machine}

    sudo apt-get install wrk     # Debian and Ubuntu; Node.js 20 and npm for the peers in JavaScript
    make bench                   # BENCH='--only trellis,fastify-pg' for some, told but not written here
    make bench-profile
    make bench-growth            # BENCH='--huge' for ten million rows

`BENCH_DATABASE_URL` takes a PostgreSQL server of yours, whose role may create databases, in place of the embedded one.
"""


def keep(part: str, results: Mapping[str, Any]) -> None:
    """Keep the raw results."""
    file = HERE / "results" / f"{part}.json"
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False)
    # A round stands on one line.
    file.write_text(re.sub(r"\{\s+(\"per_second\"[^{}]*?)\s+\}", _joined, text) + "\n")


def write(part: str, text: str) -> None:
    """Put a part of the page in place of what was there; the other part stays."""
    page = FILE.read_text() if FILE.exists() else ""
    parts = {name: _between(page, name) for name in PARTS} | {part: text.strip()}
    marked = [f"<!-- {name} -->\n\n{parts[name]}\n\n<!-- /{name} -->\n" for name in PARTS if parts[name]]
    FILE.write_text("\n".join([_HEAD, *marked]))


def summary(results: Mapping[str, Any]) -> str:
    """The medians of `run` in one table."""
    return "\n".join(_overview(_all_medians(results), results["labels"], results["scenarios"]))


def comparison(results: Mapping[str, Any]) -> str:
    """The part of `run`: tables, plots, how to reproduce."""
    labels, scenarios, settings = results["labels"], results["scenarios"], results["settings"]
    medians = _all_medians(results)
    lines = ["## Side by side", ""]
    lines += [_QUICK] if results["quick"] else []
    lines += _overview(medians, labels, scenarios)
    for scenario, title in scenarios.items():
        lines += ["", f"### {title.capitalize()}", "", *_details(medians[scenario], labels)]
        values = {labels[name]: one["per_second"] for name, one in medians[scenario].items()}
        lines += ["", _plot(scenario, charts.bars(f"{title}: requests a second", values, labels.get("trellis", "")))]
    how = _HOW.format(
        **settings,
        compared=results["documents_compared"],
        plural="" if settings["rounds"] == 1 else "s",
        machine=_machine(results["machine"]),
    )
    return "\n".join([*lines, "", how])


def profile(shares: Mapping[str, Mapping[str, float]]) -> str:
    """The part of `profile`: the shares of the layers, by kind of request."""
    layers = sorted({layer for one in shares.values() for layer in one}, key=lambda layer: -_total(shares, layer))
    rows = [[layer, *(f"{one.get(layer, 0):.0%}" for one in shares.values())] for layer in layers]
    lines = [
        "## Where the time goes",
        "",
        "Of the processor time of the server's own process, sampled by py-spy under the",
    ]
    lines += ["load of the tables above: each sample counts for the innermost frame that is of one of these.", ""]
    return "\n".join([*lines, *_table(["", *shares], rows)])


def _total(shares: Mapping[str, Mapping[str, float]], layer: str) -> float:
    return sum(one.get(layer, 0) for one in shares.values())


def growth(results: Mapping[str, Any]) -> str:
    """The part of `growth`: size, depth, searching, memory."""
    lines = ["## Growth", ""]
    lines += [_QUICK] if results["quick"] else []
    lines += ["A page of 20, newest first, each project with its tags: the median latency of a single connection.", ""]
    lines += _table(
        ["projects in the table", "page, ms", "against the smallest", "PostgreSQL alone, ms"], _sizes(results)
    )
    series = {"over HTTP": [(one["rows"], one["page_ms"]) for one in results["sizes"]]}
    if any(one.get("statement_ms") for one in results["sizes"]):
        series["PostgreSQL alone"] = [(one["rows"], one["statement_ms"]) for one in results["sizes"]]
    lines += ["", _plot("size", charts.lines("The first page", "projects in the table", "ms", series)), ""]
    lines += [f"The caller owns {results['deep_rows']:,} of {results['rows']:,} projects, and pages through them:", ""]
    lines += _table(["depth", "page, ms", "against the first page"], _depths(results))
    depths = {"over HTTP": [(one["depth"], one["page_ms"]) for one in results["depths"]]}
    lines += ["", _plot("depth", charts.lines("A page at depth", "projects before it", "ms", depths)), ""]
    if results["depth_not_reached"]:
        lines += [f"Depths that were not reached in time: {', '.join(map(str, results['depth_not_reached']))}.", ""]
    lines += _searches(results)
    lines += ["", _streamed("export", results["export"]), "", _streamed("import", results["import"])]
    memory = results["memory"]
    lines += ["", f"Memory of one worker under {memory['connections']:,} open connections, MiB resident:", ""]
    rows = [[one["moment"], f"{one['mib']:.0f}", one.get("load", "")] for one in memory["moments"]]
    lines += [*_table(["", "MiB", "load"], rows), "", _machine(results["machine"])]
    return "\n".join(lines)


def _overview(
    medians: Mapping[str, Mapping[str, Mapping[str, float]]], labels: Mapping[str, str], scenarios: Mapping[str, str]
) -> list[str]:
    rows = []
    for name, label in labels.items():
        cells = [medians[scenario].get(name, {}).get("per_second") for scenario in scenarios]
        rows.append(
            [f"**{label}**" if name == "trellis" else label, *(f"{cell:,.0f}" if cell else "" for cell in cells)]
        )
    return _table(["requests a second", *scenarios.values()], rows)


def _details(medians: Mapping[str, Mapping[str, float]], labels: Mapping[str, str]) -> list[str]:
    header = ["", "requests a second", "of Trellis", "of the async tutorial", "processor, µs each"]
    header += ["p50, ms", "p99, ms", "p99 / p50"]
    rows = []
    for name, one in medians.items():
        ratios = [_ratio(one, medians.get(base)) for base in ("trellis", "tutorial-async")]
        used = f"{one['processor']:,.0f}" if one["processor"] else ""
        tail = [f"{one['p99']:.2f}", f"{one['p99'] / one['p50']:.1f}"] if name != "pgbench" else ["", ""]
        rows.append([labels[name], f"{one['per_second']:,.0f}", *ratios, used, f"{one['p50']:.2f}", *tail])
    return _table(header, rows)


def _ratio(one: Mapping[str, float], base: Mapping[str, float] | None) -> str:
    return f"{one['per_second'] / base['per_second']:.2f}×" if base else ""


def _sizes(results: Mapping[str, Any]) -> list[list[str]]:
    first = results["sizes"][0]["page_ms"]
    rows = []
    for one in results["sizes"]:
        alone = f"{one['statement_ms']:.2f}" if one.get("statement_ms") else ""
        rows.append([f"{one['rows']:,}", f"{one['page_ms']:.2f}", f"{one['page_ms'] / first:.2f}×", alone])
    return rows


def _depths(results: Mapping[str, Any]) -> list[list[str]]:
    first = results["depths"][0]["page_ms"]
    depths = results["depths"]
    return [[f"{one['depth']:,}", f"{one['page_ms']:.2f}", f"{one['page_ms'] / first:.2f}×"] for one in depths]


def _searches(results: Mapping[str, Any]) -> list[str]:
    searched = [one for one in results["sizes"] if one.get("search_ms")]
    if not searched:
        return ["Searching was not measured: this server does not offer `q=` yet."]
    words = list(searched[0]["search_ms"])
    header = ["projects in the table", *(f"search, {word}, ms" for word in words)]
    series = {word: [(one["rows"], one["search_ms"][word]) for one in searched] for word in words}
    rows = [[f"{one['rows']:,}", *(f"{one['search_ms'][word]:.2f}" for word in words)] for one in searched]
    plot = _plot("search", charts.lines("A page of a search", "projects in the table", "ms", series))
    return [*_table(header, rows), "", plot]


def _streamed(what: str, told: Mapping[str, Any]) -> str:
    pace = told["rows"] / told["seconds"]
    return (
        f"An {what} of {told['rows']:,} projects takes {told['seconds']:.0f} s, {pace:,.0f} a second; the worker's "
        f"resident memory is {told['before_mib']:.0f} MiB before and {told['most_mib']:.0f} MiB at most meanwhile."
    )


def _machine(told: Mapping[str, Any]) -> str:
    node = f", Node.js {told['node']}" if told["node"] else ""
    libraries = ", ".join(f"{name} {version}" for name, version in told["libraries"].items())
    return (
        f"{told['cores']} cores ({told['cpu']}), {told['memory_gib']} GiB; PostgreSQL {told['postgresql']}, "
        f"Python {told['python']}{node}; {libraries}."
    )


def _all_medians(results: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        scenario: {name: _medians(rounds) for name, rounds in of_scenario.items() if rounds}
        for scenario, of_scenario in results["rounds"].items()
    }


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = ("per_second", "p50", "p99", "processor")
    return {name: median(one.get(name, 0) for one in rounds) for name in names}


def _plot(name: str, svg: str) -> str:
    file = HERE / "plots" / f"{name}.svg"
    file.parent.mkdir(exist_ok=True)
    file.write_text(svg)
    return f"![{name}](plots/{name}.svg)"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *("---:" for _ in header[1:])]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def _between(page: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL)
    return found[1].strip() if found else ""


def _joined(match: re.Match[str]) -> str:
    return "{" + re.sub(r"\s+", " ", match[1]) + "}"
