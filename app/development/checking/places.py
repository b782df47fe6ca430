"""A file of a module, as the rules look at it."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from app.development.checking.sources import Finding, Source
from app.development.checking.tree import Tree

PUBLISHED = "take what it shows from its Summary, ask its Api for the rest, or have it publish what you need."
"""The way to the rows of another module."""


class _Place(NamedTuple):
    tree: Tree
    module: str
    source: Source


class Place(_Place):
    """A file of a module, in its tree."""

    @property
    def part(self) -> str:
        """Its name within the module, as `service` or `tests.factories`."""
        return self.source.name.removeprefix(f"modules.{self.module}").removeprefix(".")

    def is_in(self, *parts: str) -> bool:
        """Whether it is one of these files or in one of these folders of its module, or of a package in that."""
        within = self.part.partition(".")[2]
        return any(is_within(self.part, part) or is_within(within, part) for part in parts)

    @cached_property
    def foreign_tables(self) -> dict[str, str]:
        """The tables of others, with their owners."""
        return {table: owner for table, owner in self.tree.tables.items() if owner != self.module}

    def foreign(self, dotted: str) -> str | None:
        """The other module that a dotted name leads into."""
        folder, _, rest = dotted.partition(".")
        name = rest.partition(".")[0]
        return name if folder == "modules" and name not in {"", self.module} else None


Rule = Callable[[Place], Iterator[Finding]]

Wrong = Iterator[tuple[Any, str]]
"""What is wrong with an assembled application, each with the class, the function or the word that it is wrong with."""


def is_within(path: str, name: str) -> bool:
    """Whether a dotted path is this name or below it."""
    return path == name or path.startswith(f"{name}.")


def named(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(sorted(names))
