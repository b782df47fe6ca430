"""The files of the migrations: what is in them, and what is wrong with how they follow each other.

It reads them as text: no database is needed, and no file is run.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from shared.upkeep import ALEMBIC_INI

VERSIONS = ALEMBIC_INI.parent / "migrations" / "versions"


class Revision:
    """A file of `versions/<module>/`."""

    def __init__(self, path: Path, source: str | None = None) -> None:
        self.path = path
        self.module = path.parent.name
        self.source = path.read_text() if source is None else source
        """Its text."""

    @cached_property
    def _values(self) -> dict[str, Any]:
        return {name: ast.literal_eval(node.value) for name, node in variables(self.source).items()}

    @property
    def id(self) -> str:
        """Such as `tags_0002`."""
        return str(self._values["revision"])

    @property
    def number(self) -> int:
        """The 2 of `tags_0002`."""
        digits = self.id.rpartition("_")[2]
        return int(digits) if digits.isdigit() else 0

    @property
    def follows(self) -> str | None:
        """The one before it in its branch."""
        before = _several(self._values.get("down_revision"))
        return before[0] if before else None

    @property
    def depends_on(self) -> list[str]:
        """Those of other branches that must be there before it."""
        return _several(self._values.get("depends_on"))

    def __repr__(self) -> str:
        """Where it is, for sentences."""
        return f"{self.module}/{self.path.name}"


def revisions(versions: Path = VERSIONS) -> list[Revision]:
    """All of them, by their paths."""
    return [Revision(path) for path in sorted(versions.glob("*/*.py")) if path.name != "__init__.py"]


def variables(source: str) -> dict[str, ast.Assign]:
    """Alembic's variables in the text of a migration."""
    wanted = ("revision", "down_revision", "branch_labels", "depends_on")
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return {name: node for node in nodes if (name := ast.unparse(node.targets[0])) in wanted}


def faults(versions: Path = VERSIONS) -> list[str]:
    """A sentence for each fault: ids that are there twice, branches that fork, and links that lead nowhere.

    Two branches of git that both write `tasks_0002` merge without a conflict, and Alembic runs one of the two.
    """
    found = revisions(versions)
    by_id, followers = defaultdict[str, list[Revision]](list), defaultdict[tuple[str, str | None], set[str]](set)
    for revision in found:
        by_id[revision.id].append(revision)
        followers[revision.module, revision.follows].add(revision.id)
    sentences = []
    for id, same in by_id.items():
        if len(same) > 1:
            files = " and ".join(map(repr, same))
            sentences.append(f"{id} is in {files}, and one would be lost. {_mended(same[0].module)}")
    for (module, before), ids in followers.items():
        if len(ids) > 1:
            several = " and ".join(sorted(ids))
            what = f"follow {before}" if before else "begin the branch"
            sentences.append(f"{several} both {what}. {_mended(module)}")
    for revision in found:
        lost = {revision.follows, *revision.depends_on} - {None, *by_id}
        sentences += [f"{revision!r} comes after {other}, which is not there." for other in lost]
    return sorted(sentences)


def _mended(module: str) -> str:
    return f"Two branches of git wrote them: trellis revision {module} --renumber"


def heads(found: Iterable[Revision]) -> dict[str, str]:
    """The newest revision of each module."""
    newest: dict[str, Revision] = {}
    for revision in found:
        if revision.module not in newest or revision.number > newest[revision.module].number:
            newest[revision.module] = revision
    return {module: revision.id for module, revision in newest.items()}


def ancestors(ids: Iterable[str], found: Iterable[Revision]) -> set[str]:
    """These revisions, and all that must be there before them."""
    by_id = {revision.id: revision for revision in found}
    return set(_before(ids, by_id))


def in_order(found: Iterable[Revision]) -> list[Revision]:
    """The revisions, each after those that must be there before it."""
    by_id = {revision.id: revision for revision in found}
    links = {id: [revision.follows, *revision.depends_on] for id, revision in by_id.items()}
    order = TopologicalSorter({id: [other for other in others if other in by_id] for id, others in links.items()})
    return [by_id[id] for id in order.static_order()]


def _before(ids: Iterable[str], by_id: Mapping[str, Revision]) -> Iterator[str]:
    waiting, seen = list(ids), set[str]()
    while waiting:
        id = waiting.pop()
        if id in by_id and id not in seen:
            seen.add(id)
            yield id
            waiting += [other for other in (by_id[id].follows, *by_id[id].depends_on) if other]


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
