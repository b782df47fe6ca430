"""How large the kernel and its parts are: when one grows past this, an idea is missing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.trees import ROOT

FILES = sorted(path for path in (ROOT / "shared").rglob("*.py") if "tests" not in path.parts)


def lines_of_code(path: Path) -> int:
    """Without blank lines, comments, documentation, and the list of a face's names."""
    source = path.read_text()
    said = {line for node in ast.walk(ast.parse(source)) if is_said(node) for line in lines_of(node)}
    written = enumerate((line.strip() for line in source.splitlines()), 1)
    return sum(bool(text) and not text.startswith("#") and number not in said for number, text in written)


def is_said(node: ast.AST) -> bool:
    """Whether it does nothing."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def lines_of(node: ast.AST) -> Iterator[int]:
    assert isinstance(node, ast.stmt)
    yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


class TestTheKernel:
    @pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_has_no_file_over_300_lines_and_no_class_over_150(self, path):
        source = path.read_text()
        assert source.count("\n") <= 300
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                assert (node.end_lineno or 0) - node.lineno < 150, node.name

    def test_has_no_more_than_10260_lines_of_code_and_800_that_describe_it_to_clients(self):
        describing = [path for path in FILES if "openapi" in path.parts]
        assert sum(lines_of_code(path) for path in FILES if path not in describing) <= 10_260
        assert sum(lines_of_code(path) for path in describing) <= 800
