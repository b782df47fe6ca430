"""`make apis`: writes modules/*/api.txt anew, what each module publishes to others, and tells what changed since the
newest release.

The exit code is 1 if a change breaks a neighbour and CHANGELOG.md does not name it. `make apis APIS=--release` takes
them as they are for the released ones.
"""

import json
import sys

import click

from tests.interfaces.snapshots import RELEASED, interfaces, since_the_release, snapshot, written
from tests.openapi.document import CHANGELOG, unnamed


@click.command(help=__doc__)
@click.option("--release", is_flag=True, help="Take them for the released ones.")
def main(*, release: bool) -> None:
    """Write, compare, tell."""
    found = interfaces()
    for name, lines in found.items():
        snapshot(name).write_text(written(lines), encoding="utf-8")
    if release or not RELEASED.exists():
        RELEASED.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    changes = since_the_release(found)
    for change in changes:
        click.echo(f"{'BREAKING ' if change.is_breaking else ''}{change.sentence}")
    missing = unnamed(changes, CHANGELOG.read_text(encoding="utf-8"))
    if missing:
        click.echo("\nCHANGELOG.md's Unreleased section has to name, each in an item, in just these words:\n")
        click.echo("\n".join(f"- {sentence}" for sentence in missing))
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
