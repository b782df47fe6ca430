"""Copies of the tree, in which the suite runs against mutants, and never against the installed project."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREE = "MUTANTS_TREE"
"""The environment variable by which the processes of a tree are known."""


@dataclass(frozen=True)
class Tree:
    """A copy in a folder."""

    folder: Path

    @contextmanager
    def mutated(self, file: str, code: str) -> Iterator[None]:
        """With another content of a file."""
        path = self.folder / file
        before = path.read_bytes()
        path.write_text(code)
        try:
            yield
        finally:
            path.write_bytes(before)

    def pytest(
        self, *arguments: str, variables: Mapping[str, str], limit: float | None = None
    ) -> tuple[int | None, str]:
        """Run tests, and end what they leave behind. Gives the exit code, None past the limit (s), and the output."""
        # By PYTHONPATH the copy comes before the installed project, which is an editable install of ROOT.
        ours = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", TREE: str(self.folder)}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        # Whoever measures the coverage of the tool's own tests has every process of theirs measured.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_"))}
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [*command, f"--basetemp={self.folder.with_suffix('.tmp')}"],
                cwd=self.folder,
                env={**inherited, **ours, **variables},
                stdout=output,
                stderr=output,
            )
            try:
                ended = process.wait(limit)
            except subprocess.TimeoutExpired:
                ended = None
            finally:
                process.kill()
                self._end_all()
                process.wait()
            output.seek(0)
            return ended, output.read()

    def _end_all(self) -> None:
        """What a test has started and left belongs to nobody any more: it is known by its environment."""
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{TREE}={self.folder}\0".encode() in environment.read_bytes():
                    os.kill(int(environment.parent.name), signal.SIGKILL)
            except OSError:
                continue  # It has ended, or is another user's.


def copied(folder: Path) -> Tree:
    """What Git would keep of the working tree."""
    for name in names():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    # Only by its hash is compiled code known for sure not to be that of a mutant.
    compileall = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
    subprocess.run(compileall, cwd=folder, check=True)
    return Tree(folder)


def hashes() -> dict[str, str]:
    """What identifies the content of every file of Python."""
    return {name: sha256((ROOT / name).read_bytes()).hexdigest() for name in names() if name.endswith(".py")}


def names() -> list[str]:
    """The files that Git would keep."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    found = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in found if name and (ROOT / name).is_file()]
