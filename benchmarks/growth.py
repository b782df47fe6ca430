"""How the cost of a page grows with the table and with the depth, and memory with connections. `make bench-growth`."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import click
import httpx2
import psycopg

from benchmarks import machine, report
from benchmarks.accounts import Account, register
from benchmarks.database import COMMON_WORD, RARE_WORD, SECOND, Filler, migrated_database
from benchmarks.load import Request, Scenario, pgbench, pgbench_program, require_tools, wrk
from benchmarks.progress import Progress
from benchmarks.run import PAGE, end_in_good_order
from benchmarks.servers import PREFIX, TRELLIS, Server, running

STRIDE = 100
"""The largest page: in such steps the depths are reached."""
CONNECTIONS = 1_000
FLAT = "&sort=name"
"""A sort that the collection declares flat, and its index."""
FLAT_INDEX = "ix_projects_owner_id_name_id"
SEARCHES = {"a rare word": f"&q={RARE_WORD}", "a common word": f"&q={COMMON_WORD}"}


@dataclass(frozen=True)
class Pace:
    """How long and how often to measure, and whom to tell."""

    seconds: int
    rounds: int
    progress: Progress


@click.command()
@click.option("--seconds", default=3, show_default=True, help="How long each measurement takes.")
@click.option("--rounds", default=3, show_default=True, help="How often each is made; medians count.")
@click.option("--walk-seconds", default=900, show_default=True, help="How long paging to the depths may take.")
@click.option("--huge", is_flag=True, help="Go on to ten million rows: takes some 12 GB and a quarter of an hour more.")
@click.option("--quick", is_flag=True, help="Small tables, one round of 2 seconds: does everything work?")
def main(seconds: int, rounds: int, walk_seconds: int, huge: bool, quick: bool) -> None:
    """Measure the cost of a page as the table and the depth grow, and write it into REPORT.md."""
    require_tools()
    if quick:
        seconds, rounds = 2, 1
    sizes = [10**power for power in range(3, 5 if quick else 8 if huge else 7)]
    depths = [0, *(10**power for power in range(2, 4 if quick else 7))]
    with ExitStack() as stack:
        url = stack.enter_context(migrated_database())
        with running(TRELLIS, url) as server:
            reader, deep = register(server, "reader"), register(server, "deep")
        filler = Filler(url, reader.id, deep.id)
        stack.callback(filler.close)
        progress = Progress(3 * len(sizes) + len(depths) + 8)
        pace = Pace(seconds, rounds, progress)
        grown = [_at_size(url, filler, reader, rows, pace) for rows in sizes]
        deep_rows = depths[-1] + 10 * STRIDE
        filler.add_projects(deep_rows, owner=SECOND)
        progress.done(f"filled: {filler.projects:,} projects, of which one account owns {deep_rows:,}")
        with running(TRELLIS, url) as server:
            deepened = _at_depths(server, deep, depths, walk_seconds, pace)
            exported = _export(server, deep, progress)
            imported = _import(server, deep, 10_000 if quick else 100_000, progress)
            created = _creates(server, url, deep, pace)
        memory = _memory(url, reader, filler.project_ids(reader.id, 100), max(seconds, 3), progress)
        results = {
            "quick": quick,
            "machine": machine.description(filler.version()),
            "settings": {"rounds": rounds, "seconds": seconds},
            "sizes": grown,
            "rows": filler.projects,
            "deep_rows": deep_rows,
            "depths": deepened,
            "depth_not_reached": [depth for depth in depths if depth not in {one["depth"] for one in deepened}],
            "export": exported,
            "import": imported,
            "create_us": created,
            "memory": memory,
        }
    report.keep("growth", results)
    report.write("growth", report.growth(results))
    click.echo(f"Written: {report.FILE.relative_to(report.FILE.parents[1])}")


def _at_size(url: str, filler: Filler, reader: Account, rows: int, pace: Pace) -> dict[str, Any]:
    """Fill up to so many rows, and measure the first page, searches, and the statement alone."""
    filler.add_projects(rows - filler.projects)
    pace.progress.done(f"filled: {rows:,} projects")
    measured: dict[str, Any] = {"rows": rows}
    with running(TRELLIS, url) as server:
        measured["page_ms"] = _latency(server, reader, PAGE, pace.seconds, pace.rounds)
        pace.progress.done(f"first page of {rows:,}: {measured['page_ms']:.2f} ms")
        if _is_served(server, reader, PAGE + SEARCHES["a rare word"]):
            paths = {name: PAGE + search for name, search in SEARCHES.items()}
            found = {name: _latency(server, reader, path, pace.seconds, pace.rounds) for name, path in paths.items()}
            measured["search_ms"] = found
    if pgbench_program() is not None:
        variables = {"caller": reader.id, "session": reader.session_id}
        alone = [pgbench(url, {"page": 1}, variables, pace.seconds, clients=1).p50 for _ in range(pace.rounds)]
        measured["statement_ms"] = round(median(alone), 3)
    pace.progress.done(f"at {rows:,}: searches {measured.get('search_ms')}, alone {measured.get('statement_ms')} ms")
    return measured


def _at_depths(
    server: Server, caller: Account, depths: Sequence[int], walk_seconds: int, pace: Pace
) -> list[dict[str, float]]:
    """Measure a page at each depth that can be reached in time, in the default's order and in a flat sort's; the rounds
    are interleaved over both and over the depths.
    """
    pages: dict[tuple[int, str], str] = {}
    for sort in ("", FLAT):
        pages[0, sort] = PAGE + sort
        for depth, cursor in _walk(server, caller, sort, depths[-1], walk_seconds):
            if depth in depths:
                pages[depth, sort] = f"{PAGE}{sort}&cursor={cursor}"
        pace.progress.done(f"paged down to {max(depth for depth, _ in pages):,}")
    latencies: dict[tuple[int, str], list[float]] = {at: [] for at in pages}
    for _ in range(pace.rounds):
        for at, page in pages.items():
            latencies[at].append(_latency(server, caller, page, pace.seconds, rounds=1))
    found = {at: round(median(some), 3) for at, some in latencies.items()}
    reached = [depth for depth in depths if {(depth, ""), (depth, FLAT)} <= found.keys()]
    for depth in reached:
        pace.progress.done(f"page at depth {depth:,}: {found[depth, '']:.2f} ms, by name {found[depth, FLAT]:.2f} ms")
    return [{"depth": depth, "page_ms": found[depth, ""], "flat_ms": found[depth, FLAT]} for depth in reached]


def _creates(server: Server, url: str, caller: Account, pace: Pace) -> dict[str, float]:
    """Processor time of a create, server and PostgreSQL together, in microseconds: with the index of a flat sort, and
    without it, in turn.
    """
    scenario = Scenario("create", "create", [Request(caller, "/projects", "POST", json.dumps({"name": "A trellis"}))])
    spent: dict[str, list[float]] = {"with": [], "without": []}
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_get_indexdef(%s::regclass)", [FLAT_INDEX]).fetchone()
        assert row is not None
        for _ in range(pace.rounds):
            for name in ("with", "without"):
                told = wrk(server, scenario, max(pace.seconds, 3))
                spent[name].append(told.processor + told.postgresql * 1e6 / told.per_second)
                connection.execute(f"DROP INDEX {FLAT_INDEX}" if name == "with" else row[0])
    created = {name: round(median(some), 1) for name, some in spent.items()}
    pace.progress.done(f"a create: {created} µs of processor")
    return created


def _walk(server: Server, caller: Account, sort: str, depth: int, seconds: int) -> Iterator[tuple[int, str]]:
    """Page down as a client does, with the largest pages: each depth, and the cursor of what comes after it.

    A cursor is the server's own affair, so it is got from the server: 10,000 requests for the depth of a million.
    """
    deadline = time.monotonic() + seconds
    seen, cursor = 0, ""
    with httpx2.Client(base_url=server.url + PREFIX, headers=caller.headers, timeout=60) as client:
        while seen < depth and time.monotonic() < deadline:
            answer = client.get(f"/projects?limit={STRIDE}{sort}{cursor and '&cursor='}{cursor}")
            page = answer.raise_for_status().json()
            seen, cursor = seen + len(page["items"]), page["next_cursor"]
            yield seen, cursor


def _export(server: Server, caller: Account, progress: Progress) -> Mapping[str, Any]:
    """The resident memory of one worker before and, the most, while it exports all that the caller owns."""
    before = most = server.resident_mib()
    began, lines = time.monotonic(), 0
    with httpx2.stream("GET", f"{server.url}{PREFIX}/projects/export", headers=caller.headers, timeout=60) as answer:
        for chunk in answer.raise_for_status().iter_bytes(1 << 20):
            lines += chunk.count(b"\n")
            most = max(most, server.resident_mib())
    seconds = time.monotonic() - began
    progress.done(f"exported {lines:,} in {seconds:.0f} s: {before:.0f} MiB before, {most:.0f} at most")
    return {"rows": lines, "seconds": round(seconds, 1), "before_mib": round(before, 1), "most_mib": round(most, 1)}


def _import(server: Server, caller: Account, rows: int, progress: Progress) -> Mapping[str, Any]:
    """The resident memory of one worker before and, the most, while it imports so many projects."""
    content = "".join(
        json.dumps({"external_id": f"import/{n}", "name": f"Project {n}", "description": f"{COMMON_WORD} " * 10}) + "\n"
        for n in range(rows)
    )
    headers = caller.headers | {"Content-Type": "application/x-ndjson"}
    before, began = server.resident_mib(), time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        url = f"{server.url}{PREFIX}/projects/import"
        importing = pool.submit(httpx2.post, url, content=content, headers=headers, timeout=600)
        most = _most_memory(server, importing)
    seconds = time.monotonic() - began
    assert importing.result().raise_for_status().json()["imported"] == rows
    progress.done(f"imported {rows:,} in {seconds:.0f} s: {before:.0f} MiB before, {most:.0f} at most")
    return {"rows": rows, "seconds": round(seconds, 1), "before_mib": round(before, 1), "most_mib": round(most, 1)}


def _memory(url: str, caller: Account, ids: Sequence[str], seconds: int, progress: Progress) -> Mapping[str, Any]:
    """The resident memory of one worker: idle, and the most while many connections are open."""
    loads = {
        "getting projects": Scenario("get", "one project", [Request(caller, f"/projects/{id}") for id in ids]),
        "getting pages": Scenario("page", "page", [Request(caller, PAGE)]),
    }
    with running(TRELLIS, url) as server:
        moments: list[dict[str, Any]] = [{"moment": "idle", "mib": round(server.resident_mib(), 1)}]
        for name, scenario in loads.items():
            with ThreadPoolExecutor(1) as pool:
                loading = pool.submit(wrk, server, scenario, seconds, CONNECTIONS, strict=False)
                most = _most_memory(server, loading)
            told = loading.result()
            served = told.per_second * (1 - told.refused / max(told.requests, 1))
            load = f"{served:,.0f}/s served, {told.per_second - served:,.0f}/s refused, {told.broken} broken; {told}"
            moments.append({"moment": f"{CONNECTIONS:,} connections, {name}", "mib": round(most, 1), "load": load})
            progress.done(f"memory under {CONNECTIONS:,} connections, {name}: {most:.0f} MiB; {load}")
    return {"connections": CONNECTIONS, "moments": moments}


def _most_memory(server: Server, loading: "Future[Any]") -> float:
    most = server.resident_mib()
    while not loading.done():
        most = max(most, server.resident_mib())
        time.sleep(0.05)
    return most


def _latency(server: Server, caller: Account, path: str, seconds: int, rounds: int) -> float:
    """The median latency of one connection, in ms: the median of so many rounds, after a warm-up."""
    scenario = Scenario("page", path, [Request(caller, path)])
    if wrk(server, scenario, 1, connections=1, strict=False).p50 == 0:
        seconds *= 5  # Some searches of a huge table take longer than that.
    return round(median(wrk(server, scenario, seconds, connections=1).p50 for _ in range(rounds)), 3)


def _is_served(server: Server, caller: Account, path: str) -> bool:
    return httpx2.get(f"{server.url}{PREFIX}{path}", headers=caller.headers, timeout=30).status_code == 200


if __name__ == "__main__":
    end_in_good_order()
    main()
