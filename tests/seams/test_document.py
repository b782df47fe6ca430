"""docs/SEAMS.md against the code: what is used where, and that it is used there alone."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.trees import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "SEAMS.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| Dependency ")
]
SOURCES = [
    path
    for room in ("app", "migrations", "modules", "shared")
    for path in (ROOT / room).rglob("*.py")
    if "tests" not in path.parts
]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def names_in(path: Path) -> set[str]:
    """The names that a file uses: of variables, attributes, imports, arguments, and methods that it overrides."""
    found: set[str | None] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) | ast.keyword(arg=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.Constant(value=str(name)):
                found.add(name)
    return {name for name in found if name is not None}


NAMES = {str(path.relative_to(ROOT)): names_in(path) for path in SOURCES}


def flaws(names: list[str], files: list[str], used: dict[str, set[str]]) -> list[str]:
    """What is wrong with a row, in sentences."""
    last = {name: name.rpartition(".")[2] for name in names}
    found = [f"There is no {file}." for file in files if file not in used]
    found += [
        f"No file of its row uses {name}." for name in names if not any(last[name] in used.get(f, ()) for f in files)
    ]
    found += [f"{file} uses nothing of its row." for file in files if not used.get(file, set()) & {*last.values()}]
    return found + [
        f"{file} uses {name} as well." for name in names for file in used if name in used[file] and file not in files
    ]


class TestARow:
    @pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1][:40]}")
    def test_says_what_is_used_where(self, row):
        _, what, where, why, tests = row
        named = [name for name in quoted(what) if re.fullmatch(r"[A-Za-z_][\w.]*", name)]
        assert flaws(named, quoted(where), NAMES) == []
        assert why
        assert quoted(tests)

    @pytest.mark.parametrize(
        ("names", "files", "flaw"),
        [
            (["a"], ["x.py"], []),
            (["C.c"], ["x.py"], []),
            (["b"], ["x.py"], ["y.py uses b as well."]),
            (["a", "no"], ["x.py"], ["No file of its row uses no."]),
            (["a"], ["x.py", "z.py"], ["There is no z.py.", "z.py uses nothing of its row."]),
        ],
    )
    def test_that_is_wrong_is_found(self, names, files, flaw):
        assert flaws(names, files, {"x.py": {"a", "b", "c"}, "y.py": {"b", "c"}}) == flaw


class TestTheTable:
    def test_has_each_file_of_tests(self):
        told = {test.partition("::")[0] for *_, tests in ROWS for test in quoted(tests)}
        there = {str(path.relative_to(ROOT)) for path in Path(__file__).parent.glob("test_*.py")}
        assert there - {str(Path(__file__).relative_to(ROOT))} <= told
