"""The pytest plugin of a run against a mutant: the chosen tests alone, the quickest first, none for long."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

CHOSEN = "MUTANTS_CHOSEN"
"""The environment variable with the file that names the tests, and the seconds that each took in the measured run."""
PATIENCE = 120
"""Seconds that a test may take in any case: to start a server takes long beside other mutants."""


def limit(seconds: float) -> float:
    """How long may take what took so many seconds in the measured run. What takes longer hangs."""
    return PATIENCE + 10 * seconds


def arguments(file: Path, chosen: Mapping[str, float]) -> list[str]:
    """Name tests, or whole files of them, and the seconds of each to the plugin by a file. The arguments of pytest."""
    file.write_text(json.dumps(chosen))
    file.with_suffix(".failed").unlink(missing_ok=True)
    return ["-p", __name__, *sorted({test.partition("::")[0] for test in chosen})]


def failed(file: Path) -> str:
    """The test that has failed."""
    told = file.with_suffix(".failed")
    return told.read_text() if told.exists() else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # By hand, as a mutant may change the ids of parametrized tests: pytest refuses to start when it misses one.
    chosen: dict[str, float] = json.loads(Path(os.environ[CHOSEN]).read_text())
    names = {item: {item.nodeid, item.nodeid.partition("::")[0]} & chosen.keys() for item in items}
    config.hook.pytest_deselected(items=[item for item in items if not names[item]])
    seconds = {item: min(chosen[name] for name in names[item]) for item in items if names[item]}
    for item, took in seconds.items():
        item.add_marker(pytest.mark.timeout(limit(took)))
    items[:] = sorted(seconds, key=seconds.__getitem__)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        Path(os.environ[CHOSEN]).with_suffix(".failed").write_text(report.nodeid)
