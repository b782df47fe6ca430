"""All rules, on all files."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.development.checking import assembled, borders, migrations, names, sql, state, statements
from app.development.checking.places import Place, Rule
from app.development.checking.sources import Finding, Source
from app.development.checking.tree import VERSIONS, Tree
from app.migrations import faults

_KNOWN = re.compile(r"#\s*check:\s*\S")
"""Says that this line is meant, and why."""

ANYWHERE: tuple[Rule, ...] = borders.RULES
"""Of every file of a module, its tests included."""
OF_SERVED: tuple[Rule, ...] = (*names.RULES, *sql.RULES, *state.RULES, *statements.RULES)
"""Of those that are no tests."""
OF_MIGRATIONS: tuple[Rule, ...] = migrations.RULES


def check(root: Path, only: str | None = None) -> list[Finding]:
    """All findings in the tree in a folder, or those about one module. The application in it is the running one's."""
    tree = Tree.at(root)
    found = [*source_findings(tree), *branch_findings(tree, root)]
    found += _unknown(tree, assembled.findings(tree, root))
    return sorted({finding for finding in found if only is None or _is_about(finding, only)})


def source_findings(tree: Tree, path: str | None = None) -> Iterator[Finding]:
    """What the source tells, of all files or of one."""
    found = [finding for finding in tree.unreadable if path in {None, finding.path}]
    for source in tree.sources.values() if path is None else [tree.sources[path]] if path in tree.sources else ():
        found += _of_file(tree, source)
    yield from _unknown(tree, found)


def _of_file(tree: Tree, source: Source) -> Iterator[Finding]:
    folder, *within = source.path.removeprefix("migrations/").split("/")
    place = Place(tree, within[0], source)
    rules: tuple[Rule, ...] = ()
    if folder == "versions" and len(within) > 1:
        rules = OF_MIGRATIONS
    elif folder == "modules" and within[0] in tree.modules:
        rules = ANYWHERE if place.is_in("tests") else (*ANYWHERE, *OF_SERVED)
    elif folder in {"app", "shared"}:  # Outside of modules/, no module is known by name.
        yield from borders.imports_of_modules(tree, source)
    for rule in rules:
        yield from rule(place)


def branch_findings(tree: Tree, root: Path) -> Iterator[Finding]:
    """Revisions that are there twice, fork, or come after none: found without a database."""
    for sentence in faults(root / VERSIONS):
        named = (path for path in sorted(tree.files) if path.removeprefix(VERSIONS) in sentence)
        yield Finding(next(named, VERSIONS.rstrip("/")), 1, sentence)


def _unknown(tree: Tree, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Those on lines that do not say that they are meant."""
    for finding in findings:
        lines = tree.sources[finding.path].lines if finding.path in tree.sources else []
        if not (0 < finding.line <= len(lines) and _KNOWN.search(lines[finding.line - 1])):
            yield finding


def _is_about(finding: Finding, name: str) -> bool:
    return finding.path.startswith((f"modules/{name}/", f"{VERSIONS}{name}/")) or "does not start" in finding.sentence
