"""Where it is kept what each module publishes to others: now, in its folder; with the newest release, here."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.development.checking import Tree
from app.development.interfaces import Difference, differences, interface

ROOT = Path(__file__).parents[2]
RELEASED = Path(__file__).with_name("released.json")
"""By module. A module that came later breaks nobody."""

Interfaces = Mapping[str, Sequence[str]]


def snapshot(module: str) -> Path:
    """The file in which a module keeps it."""
    return ROOT / "modules" / module / "api.txt"


def interfaces() -> Interfaces:
    """Of the modules as they are."""
    tree = Tree.at(ROOT)
    return {name: interface(tree, name) for name in tree.modules}


def written(lines: Sequence[str]) -> str:
    """As it is kept."""
    return "".join(f"{line}\n" for line in lines)


def since_the_release(found: Interfaces) -> list[Difference]:
    """What changed since the newest release; for modules that are gone, everything."""
    released: Interfaces = json.loads(RELEASED.read_text(encoding="utf-8"))
    return [each for name, old in released.items() for each in differences(name, old, found.get(name, []))]
