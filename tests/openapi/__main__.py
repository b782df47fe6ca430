"""`make openapi`: writes docs/openapi.json and docs/api.md anew, and tells what changed since the newest release.

The part of a module that was added since goes into modules/<name>/openapi.json.

The exit code is 1 if a change breaks clients and CHANGELOG.md does not name it. `make openapi OPENAPI=--release` takes
the document as it is for the released one: with a release, after its section of the changelog got its version.
"""

import sys

import click

from shared.manifest import discover
from tests.openapi import document as documents
from tests.openapi.api_md import api_md
from tests.openapi.differences import differences
from tests.openapi.document import API_MD, CHANGELOG, RELEASED, SNAPSHOT, kept, unnamed, written


@click.command(help=__doc__)
@click.option("--release", is_flag=True, help="Take it for the released one.")
def main(*, release: bool) -> None:
    """Write, compare, tell."""
    new = [] if release else documents.added(kept(SNAPSHOT))
    for name in new:
        documents.part_of(name).write_text(written(documents.own_part(name)), encoding="utf-8")
    found = documents.of_the_others(kept(SNAPSHOT)) if new else documents.document()
    SNAPSHOT.write_text(written(found), encoding="utf-8")
    API_MD.write_text(api_md(found), encoding="utf-8")
    if release or not RELEASED.exists():
        RELEASED.write_text(written(found), encoding="utf-8")
        for part in (documents.part_of(module.name) for module in discover()):
            part.unlink(missing_ok=True)
    changes = differences(kept(RELEASED), found)
    for change in changes:
        click.echo(f"{'BREAKING ' if change.is_breaking else ''}{change.sentence}")
    missing = unnamed(changes, CHANGELOG.read_text(encoding="utf-8"))
    if missing:
        click.echo("\nCHANGELOG.md's Unreleased section has to name, each in an item, in just these words:\n")
        click.echo("\n".join(f"- {sentence}" for sentence in missing))
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
