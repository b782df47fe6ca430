"""A test that needs a module which is not there is left out: a module can be removed with the suite green.

What a test imports tells what it needs. A test that only asks a module over HTTP says so: `pytest.mark.needs("tags")`.
"""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.selection.imports import Imports

ROOT = Path(__file__).parents[2]


@cache
def _imports() -> Imports | None:
    """None if every module is there that a file names: nothing has to be parsed then."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = {name for text in texts for name in re.findall(r"^(?:from|import) modules\.(\w+)", text, re.MULTILINE)}
    return None if named <= _there() else Imports.of(ROOT)


def _there() -> set[str]:
    return {path.name for path in (ROOT / "modules").iterdir()}


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the mark."""
    config.addinivalue_line("markers", "needs(*modules): the modules that the test asks for, beside what it imports")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out a file that imports a module which is not there, itself or through others."""
    if not collection_path.is_relative_to(ROOT / "tests") or collection_path.suffix != ".py":
        return None
    imports = _imports()
    is_without = imports is not None and imports.missing(collection_path.relative_to(ROOT).as_posix())
    return True if is_without else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that are marked with one."""
    there = _there()
    without = [
        item for item in items if not {name for mark in item.iter_markers("needs") for name in mark.args} <= there
    ]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]
