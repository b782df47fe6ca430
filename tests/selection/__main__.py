"""`make test MODULE=tags`: a module's tests, where only it and what it requires is there, on a database of its own.
`make test CHANGED=1`: the tests that a change can reach, since the branch began; `CHANGED=HEAD` since the last commit.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import click

from shared.manifest import discover
from tests.architecture import trees
from tests.selection.imports import Imports


@click.command(help=__doc__)
@click.option("--module", help="Test this module alone.")
@click.option("--changed", help="Test what changed since this commit; 1 stands for where the branch began.")
@click.argument("arguments", nargs=-1)
def main(module: str | None, changed: str | None, arguments: tuple[str, ...]) -> None:
    """Run pytest with the arguments."""
    if module:
        sys.exit(_alone(module, arguments))
    imports = Imports.of(trees.ROOT)
    tests = imports.reaching(_changed_since(changed or "1"))
    if not tests:
        click.echo("No test reaches what changed.")
        return
    click.echo(f"What changed is reached by the tests in {len(tests)} of {len(imports.tests)} files.")
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *tests, *arguments], cwd=trees.ROOT))


def _alone(module: str, arguments: tuple[str, ...]) -> int:
    if module not in {found.name for found in discover()}:
        raise click.BadParameter(f"There is no module '{module}'.")
    with tempfile.TemporaryDirectory(prefix="trellis-") as folder:
        tree = trees.copied(Path(folder), *trees.closure([module]))
        command = ["-m", "pytest", f"modules/{module}", "-p", "no:cacheprovider", *arguments]
        return subprocess.call([sys.executable, "-S", *command], cwd=tree, env=trees.environment(tree))


def _changed_since(commit: str) -> set[str]:
    """The files that differ from a commit, and those that git does not know."""
    base = _git("merge-base", "HEAD", _main()) if commit == "1" else [commit]
    return {*_git("diff", "--name-only", *base), *_git("ls-files", "--others", "--exclude-standard")}


def _main() -> str:
    """The branch that others begin at: of the remote, or of this clone."""
    named = _git("for-each-ref", "--format=%(refname)", "refs/remotes/origin/HEAD", "refs/heads/main")
    return next(iter(named), "HEAD")


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=trees.ROOT, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


if __name__ == "__main__":
    main()
