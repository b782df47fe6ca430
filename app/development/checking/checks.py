"""All rules, on all files."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.development.checking import assembled, borders, endpoints, migrations, names, statements
from app.development.checking.places import Place, Rule
from app.development.checking.sources import VERSIONS, Finding, Tree
from app.migrations import faults

_KNOWN = re.compile(r"#\s*check:\s*\S")
"""Says that this line is meant, and why."""

ANYWHERE: tuple[Rule, ...] = borders.RULES
"""Of every file of a module, its tests included."""
OF_SERVED: tuple[Rule, ...] = (*names.RULES, *statements.RULES)
"""Of those that are no tests."""
OF_ROUTERS: tuple[Rule, ...] = endpoints.RULES
OF_MIGRATIONS: tuple[Rule, ...] = migrations.RULES


def check(root: Path, only: str | None = None) -> list[Finding]:
    """All findings in the tree in a folder, or those about one module. The application in it is the running one's."""
    tree = Tree.at(root)
    found = [*source_findings(tree), *_of_branches(tree, root)]
    found += _unknown(tree, assembled.findings(tree, root))
    return sorted({finding for finding in found if only is None or _is_about(finding, only)})


def source_findings(tree: Tree) -> Iterator[Finding]:
    """What the source tells."""
    yield from tree.unreadable
    found = [*_of_outsiders(tree), *(finding for name in tree.modules for finding in _of_module(tree, name))]
    found += [finding for name in tree.branches for finding in _of_branch(tree, name)]
    yield from _unknown(tree, found)


def _of_module(tree: Tree, name: str) -> Iterator[Finding]:
    for source in tree.of_module(name):
        place = Place(tree, name, source)
        rules = [*ANYWHERE, *(() if place.is_in("tests") else OF_SERVED)]
        rules += OF_ROUTERS if place.is_in("router") else ()
        for rule in rules:
            yield from rule(place)


def _of_branch(tree: Tree, name: str) -> Iterator[Finding]:
    for source in tree.migrations(name):
        for rule in OF_MIGRATIONS:
            yield from rule(Place(tree, name, source))


def _of_branches(tree: Tree, root: Path) -> Iterator[Finding]:
    """Revisions that are there twice, fork, or come after none: found without a database."""
    for sentence in faults(root / VERSIONS):
        named = (path for path in sorted(tree.files) if path.removeprefix(VERSIONS) in sentence)
        yield Finding(next(named, VERSIONS.rstrip("/")), 1, sentence)


def _of_outsiders(tree: Tree) -> Iterator[Finding]:
    """Outside of modules/, no module is known by name."""
    for path, source in tree.sources.items():
        if path.startswith(("app/", "shared/")):
            yield from borders.imports_of_modules(tree, source)


def _unknown(tree: Tree, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Those on lines that do not say that they are meant."""
    for finding in findings:
        lines = tree.sources[finding.path].lines if finding.path in tree.sources else []
        if not (0 < finding.line <= len(lines) and _KNOWN.search(lines[finding.line - 1])):
            yield finding


def _is_about(finding: Finding, name: str) -> bool:
    return finding.path.startswith((f"modules/{name}/", f"{VERSIONS}{name}/")) or "does not start" in finding.sentence
