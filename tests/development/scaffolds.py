"""Modules that are scaffolded in a copy of the tree, as a team would: made, migrated, checked, tested.

`make scaffolds COUNT=10 SEED=1` makes so many, with random fields, each owned by accounts, part of another, or both.
"""

import hashlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import click

from app.development.scaffold import KINDS
from tests.architecture import trees
from tests.database import empty_database, template

WORDS = "Invoice Ledger Parcel Ticket Recipe Voyage Lesson Garden Sensor Bottle Letter Planet".lower().split()
FIELDS = ["title", "amount", "due", "state", "note", "place", "weight", "colour", "since", "ready"]


class Scaffolds:
    """A copy of the tree, over a database of its own."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.tree = trees.copied(folder)
        self.url = database_url
        self.done(self.run("-m", "app.cli", "migrate"))

    def new(self, name: str, *options: str) -> list[str]:
        """Make a module, and migrate. The files that were written."""
        before = self._files()
        self.done(self.run("-m", "app.cli", "module", "new", name, *options))
        after = self._files()
        self.done(self.run("-m", "app.cli", "migrate"))
        return sorted(path for path in after if after[path] != before.get(path))

    def test(self, *paths: str) -> str:
        """Run tests. What pytest says."""
        report = self.run("-m", "pytest", *paths, "-n0", "-p", "no:cacheprovider")
        return self.done(report).stdout

    def run(self, *arguments: str) -> CompletedProcess[str]:
        """Run Python in the tree."""
        return trees.run(self.tree, *arguments, DATABASE_URL=self.url, TRELLIS_ENVIRONMENT="development")

    @staticmethod
    def done(process: CompletedProcess[str]) -> CompletedProcess[str]:
        """What has to be a success."""
        assert process.returncode == 0, process.stdout + process.stderr
        return process

    def _files(self) -> dict[str, str]:
        paths = (path.relative_to(self.tree) for path in self.tree.rglob("*") if path.is_file())
        kept = (path for path in paths if "__pycache__" not in path.parts and not path.parts[0].startswith("."))
        return {str(path): hashlib.sha256((self.tree / path).read_bytes()).hexdigest() for path in kept}


def random_modules(count: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Names, and the options of each. Each may be part of one that was made before."""
    chance = random.Random(seed)
    made: list[str] = []
    for word in chance.sample(WORDS, count):
        part = ["--part-of", chance.choice(made)] if made and chance.random() < 0.5 else []
        parents = [*part, *(["--owned-by", "users"] if not part or chance.random() < 0.5 else [])]
        kinds = [*KINDS, "enum=low,high", "enum=red,green,blue"]
        fields = chance.sample(FIELDS, chance.randint(1, 6))
        options = [f"--field={name}:{chance.choice(kinds)}{chance.choice(['', '?'])}" for name in fields]
        made.append(f"{word}s")
        yield made[-1], [*parents, *options]


@click.command()
@click.option("--count", default=10, help="How many modules.")
@click.option("--seed", default=1, help="Of what is random.")
def main(count: int, seed: int) -> None:
    """Scaffold modules in a copy of the tree, and run their tests."""
    with tempfile.TemporaryDirectory() as folder, template() as server, empty_database(server) as url:
        scaffolds = Scaffolds(Path(folder), url)
        names = []
        for name, options in random_modules(count, seed):
            click.echo(f"trellis module new {name} {' '.join(options)}")
            scaffolds.new(name, *options)
            names.append(name)
        packages = [f"--package=modules.{name}" for name in names]
        for check in (["mypy", *packages], ["ruff", "check", "."], ["ruff", "format", "--check", "."]):
            scaffolds.done(scaffolds.run("-m", *check))
        click.echo(scaffolds.test(*(f"modules/{name}" for name in names)))


if __name__ == "__main__":
    main()
