"""`make lint`: every tool tells what it finds, whatever the others have found."""

import subprocess
from pathlib import Path

import pytest

from tests.servers import ROOT

TOOLS = ("ruff", "mypy", "lint-imports", "trellis")


def lint(folder: Path, failing: str) -> subprocess.CompletedProcess[str]:
    """With tools that tell their names and fail when they are to."""
    for tool in TOOLS:
        program = folder / tool
        program.write_text(f"#!/bin/sh\necho {tool} $*\nexit {int(tool == failing)}\n")
        program.chmod(0o755)
    make = ["make", "--no-print-directory", "--old-file", ".venv/installed", "lint", f"BIN={folder}"]
    return subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=False)


class TestLint:
    @pytest.mark.parametrize("failing", TOOLS)
    def test_runs_every_tool_and_fails_with_any(self, tmp_path, failing):
        linted = lint(tmp_path, failing)
        assert linted.returncode != 0
        tools = ["ruff format --check .", "ruff check .", "mypy", "lint-imports", "trellis module check"]
        assert linted.stdout.splitlines() == tools

    def test_succeeds_when_all_do(self, tmp_path):
        assert lint(tmp_path, "none").returncode == 0
