"""The pytest plugin of the one instrumented run: which tests reach which line, and how long each takes.

coverage.py notes for every line the contexts that reached it. A context is the id of a test, or the name of a fixture
that many tests share: a session's fixture runs with whichever test comes first, and all that use it depend on it. A
process that a test starts inherits the context by an environment variable, which the run's configuration reads.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import coverage
import pytest

CONTEXT = "MUTANTS_CONTEXT"
"""The environment variable with the context of the processes that are started."""
RESULTS = "MUTANTS_RESULTS"
"""The environment variable with the file that the controller writes at the end."""
DATA = "MUTANTS_DATA"
"""The environment variable with the file that coverage.py writes, and one for each process beside it."""
CONFIGURATION = f"""
[run]
source = shared
omit = */tests/*
context = ${{{CONTEXT}-}}
concurrency = greenlet, thread
data_file = ${{{DATA}?}}
parallel = true
relative_files = true
sigterm = true
"""

_seconds: dict[str, float] = defaultdict(float)
_failed: set[str] = set()
_fixtures: dict[str, Any] = {}


@contextmanager
def _context(name: str) -> Iterator[None]:
    before = os.environ.get(CONTEXT, "")
    _enter(name)
    try:
        yield
    finally:
        _enter(before)


def _enter(name: str) -> None:
    os.environ[CONTEXT] = name
    if measuring := coverage.Coverage.current():
        measuring.switch_context(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with _context(item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[None]:
    if fixturedef.scope == "function":
        return (yield)
    with _context(f"fixture {fixturedef.argname}"):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.user_properties.append(("fixtures", list(getattr(item, "fixturenames", ()))))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] += report.duration
    _fixtures[report.nodeid] = next((found for name, found in report.user_properties if name == "fixtures"), [])
    if report.outcome != "passed":
        _failed.add(report.nodeid)


def pytest_unconfigure(config: pytest.Config) -> None:
    if measuring := coverage.Coverage.current():
        measuring.save()  # A worker of xdist ends without its exit handlers.
    if not hasattr(config, "workerinput"):
        tests = {
            test: {"seconds": round(seconds, 4), "fixtures": _fixtures[test]}
            for test, seconds in _seconds.items()
            if test not in _failed
        }
        Path(os.environ[RESULTS]).write_text(json.dumps(tests))
