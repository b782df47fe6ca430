"""How large the parts of the kernel are: when one grows past this, an idea is missing."""

import ast

import pytest

from tests.architecture.trees import ROOT

FILES = sorted(path for path in (ROOT / "shared").rglob("*.py") if "tests" not in path.parts)


class TestTheKernel:
    @pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_has_no_file_over_300_lines_and_no_class_over_150(self, path):
        source = path.read_text()
        assert source.count("\n") <= 300
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                assert (node.end_lineno or 0) - node.lineno < 150, node.name
