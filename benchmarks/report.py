"""REPORT.md, in parts of which each script writes its own; the figures behind it in results/, plots in plots/."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import charts

HERE = Path(__file__).parent
FILE = HERE / "REPORT.md"
PARTS = ("comparison", "profile", "growth")
_HEAD = """# Benchmarks

Trellis beside its peers, where its time goes, and how it grows. `make bench`, `make bench-profile` and
`make bench-growth` write this page.
"""
QUICK = "> **A quick run: it shows that the harness works. Its figures mean little.**\n"


def keep(part: str, results: Mapping[str, Any]) -> None:
    """Keep the raw results."""
    file = HERE / "results" / f"{part}.json"
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False)
    # A round stands on one line.
    file.write_text(re.sub(r"\{\s+(\"per_second\"[^{}]*?)\s+\}", _joined, text) + "\n")


def write(part: str, text: str) -> None:
    """Put a part of the page in place of what was there; the other parts stay."""
    page = FILE.read_text() if FILE.exists() else ""
    parts = {name: _between(page, name) for name in PARTS} | {part: text.strip()}
    marked = [f"<!-- {name} -->\n\n{parts[name]}\n\n<!-- /{name} -->\n" for name in PARTS if parts[name]]
    FILE.write_text("\n".join([_HEAD, *marked]))


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
    return "\n".join([*lines, *table(["", *shares], rows)])


def _total(shares: Mapping[str, Mapping[str, float]], layer: str) -> float:
    return sum(one.get(layer, 0) for one in shares.values())


def growth(results: Mapping[str, Any]) -> str:
    """The part of `growth`: size, depth, searching, memory."""
    lines = ["## Growth", ""]
    lines += [QUICK] if results["quick"] else []
    lines += ["A page of 20, newest first, each project with its tags: the median latency of a single connection.", ""]
    lines += table(
        ["projects in the table", "page, ms", "against the smallest", "PostgreSQL alone, ms"], _sizes(results)
    )
    series = {"over HTTP": [(one["rows"], one["page_ms"]) for one in results["sizes"]]}
    if any(one.get("statement_ms") for one in results["sizes"]):
        series["PostgreSQL alone"] = [(one["rows"], one["statement_ms"]) for one in results["sizes"]]
    lines += ["", plot("size", charts.lines("The first page", "projects in the table", "ms", series)), ""]
    lines += [f"The caller owns {results['deep_rows']:,} of {results['rows']:,} projects, and pages through them:", ""]
    header = ["depth", "page, ms", "against the first page", "by name, a flat sort, ms", "against the default's"]
    lines += table(header, _depths(results))
    depths = {"newest first": [(one["depth"], one["page_ms"]) for one in results["depths"]]}
    depths["by name"] = [(one["depth"], one["flat_ms"]) for one in results["depths"]]
    lines += ["", plot("depth", charts.lines("A page at depth", "projects before it", "ms", depths)), ""]
    if results["depth_not_reached"]:
        lines += [f"Depths that were not reached in time: {', '.join(map(str, results['depth_not_reached']))}.", ""]
    lines += _searches(results)
    lines += ["", _streamed("export", results["export"]), "", _streamed("import", results["import"])]
    created = results["create_us"]
    lines += ["", f"A create takes {created['with']:,.0f} µs of processor, server and PostgreSQL together, and"]
    lines += [f"{created['without']:,.0f} without the index of one flat sort.", ""]
    memory = results["memory"]
    lines += ["", f"Memory of one worker under {memory['connections']:,} open connections, MiB resident:", ""]
    rows = [[one["moment"], f"{one['mib']:.0f}", one.get("load", "")] for one in memory["moments"]]
    lines += [*table(["", "MiB", "load"], rows), "", machine(results["machine"])]
    return "\n".join(lines)


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
    rows = []
    for one in depths:
        page, flat = one["page_ms"], one["flat_ms"]
        told = [f"{page:.2f}", f"{page / first:.2f}×", f"{flat:.2f}", f"{flat / page:.2f}×"]
        rows.append([f"{one['depth']:,}", *told])
    return rows


def _searches(results: Mapping[str, Any]) -> list[str]:
    searched = [one for one in results["sizes"] if one.get("search_ms")]
    if not searched:
        return ["Searching was not measured: this server does not offer `q=` yet."]
    words = list(searched[0]["search_ms"])
    header = ["projects in the table", *(f"search, {word}, ms" for word in words)]
    series = {word: [(one["rows"], one["search_ms"][word]) for one in searched] for word in words}
    rows = [[f"{one['rows']:,}", *(f"{one['search_ms'][word]:.2f}" for word in words)] for one in searched]
    chart = plot("search", charts.lines("A page of a search", "projects in the table", "ms", series))
    return [*table(header, rows), "", chart]


def _streamed(what: str, told: Mapping[str, Any]) -> str:
    pace = told["rows"] / told["seconds"]
    return (
        f"An {what} of {told['rows']:,} projects takes {told['seconds']:.0f} s, {pace:,.0f} a second; the worker's "
        f"resident memory is {told['before_mib']:.0f} MiB before and {told['most_mib']:.0f} MiB at most meanwhile."
    )


def machine(told: Mapping[str, Any]) -> str:
    """What the run was made on, in a sentence."""
    node = f", Node.js {told['node']}" if told["node"] else ""
    libraries = ", ".join(f"{name} {version}" for name, version in told["libraries"].items())
    return (
        f"{told['cores']} cores ({told['cpu']}), {told['memory_gib']} GiB; PostgreSQL {told['postgresql']}, "
        f"Python {told['python']}{node}; {libraries}."
    )


def plot(name: str, svg: str) -> str:
    """Keep a plot, and refer to it."""
    file = HERE / "plots" / f"{name}.svg"
    file.parent.mkdir(exist_ok=True)
    file.write_text(svg)
    return f"![{name}](plots/{name}.svg)"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of Markdown: the first column to the left, the others to the right."""
    rule = ["---", *("---:" for _ in header[1:])]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def _between(page: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL)
    return found[1].strip() if found else ""


def _joined(match: re.Match[str]) -> str:
    return "{" + re.sub(r"\s+", " ", match[1]) + "}"
