"""`trellis revision --renumber`: has migrations that two branches of git wrote follow each other."""

import subprocess
from collections.abc import Sequence
from math import inf
from pathlib import Path

from app.migrations.branches import VERSIONS, Revision, revisions, variables

MAIN = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
"""What git may call its main branch. What others can have got comes before what is only here."""

Arrival = tuple[int, float, float]
"""The first of those that has it, when it came there or was committed, when the file was written."""


def renumber(module: str, versions: Path = VERSIONS) -> dict[str, str]:
    """Give the younger files of a module new numbers, and have all links follow. The new file names by the former.

    What git's main branch has, is older than what it has not. Of two that it has, the one is older that came there
    first; of two that it has not, the one that was committed first. What is not committed yet is the youngest.
    """
    found = revisions(versions)
    own = sorted((one for one in found if one.module == module), key=lambda one: one.number)
    first = _first_collision(own)
    if first is None:
        return {}
    arrivals = {one.path: _arrival(one.path) for one in found}
    kept = [one for one in own if one.number < first]
    moved = sorted((one for one in own if one.number >= first), key=lambda one: (arrivals[one.path], one.number))
    new = {one.path: f"{module}_{first + place:04}" for place, one in enumerate(moved)}
    texts = {}
    follows = kept[-1].id if kept else None
    for one in moved:
        texts[one.path] = _with(one.source, revision=new[one.path], down_revision=follows)
        follows = new[one.path]
    for one in found:
        meant = [_meant(id, one, moved, arrivals, new) for id in one.depends_on]
        if meant != one.depends_on:
            texts[one.path] = _with(texts.get(one.path, one.source), depends_on=meant)
    for path, text in texts.items():
        path.write_text(text)
    names = {}
    for one in reversed(moved):  # The last number is free.
        path = one.path.with_name(new[one.path] + one.path.name.removeprefix(one.id))
        if path != one.path:
            one.path.rename(path)
            names[one.path.name] = path.name
    return dict(reversed(names.items()))


def _first_collision(own: Sequence[Revision]) -> int | None:
    """The number from which on the files do not follow each other one by one."""
    for index, one in enumerate(own):
        if any(one.id == other.id or one.follows == other.follows for other in own[index + 1 :]):
            return one.number
    return None


def _meant(
    id: str, by: Revision, moved: Sequence[Revision], arrivals: dict[Path, Arrival], new: dict[Path, str]
) -> str:
    """The new id of what a file depends on: of two with this id, the younger one that the file can have known."""
    same = [one for one in moved if one.id == id]
    known = [one for one in same if arrivals[one.path][:2] <= arrivals[by.path][:2]]
    return new[(known or same)[-1 if known else 0].path] if same else id


def _arrival(path: Path) -> Arrival:
    found = [_git(path, "ls-tree", "--name-only", name, "--", path.name) != "" for name in MAIN]
    rank = found.index(True) if True in found else len(MAIN)
    line = ["--first-parent", "-m", MAIN[rank]] if rank < len(MAIN) else ["HEAD"]
    times = _git(path, "log", "--diff-filter=A", "--format=%ct", *line, "--", path.name).split()
    return (rank, min(map(float, times), default=inf), path.stat().st_mtime)


def _git(path: Path, *arguments: str) -> str:
    """What git prints; nothing where there is no git, or nothing to say."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=path.parent, capture_output=True, text=True, check=False, timeout=60
        )
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _with(source: str, **values: str | list[str] | None) -> str:
    """The text of a migration with other values of Alembic's variables."""
    lines = source.splitlines(keepends=True)
    nodes = {name: node for name, node in variables(source).items() if name in values}
    for name, node in sorted(nodes.items(), key=lambda item: -item[1].lineno):
        lines[node.lineno - 1 : node.end_lineno] = [f"{name} = {values[name]!r}\n".replace("'", '"')]
    return "".join(lines)
