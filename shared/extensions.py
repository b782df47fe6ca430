"""Extension points: a module lets modules that it does not know contribute to its statements.

The module that owns a point publishes it in its `api.py`; a module that requires the owner contributes to it in its
manifest. So tags can tell how many projects carry a tag while projects know tags, and tags know nothing of projects.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ExtensionPoint(Generic[T]):
    """A named place for contributions of type T."""

    name: str


class Extensions:
    """What the composed modules contribute, by extension point."""

    def __init__(self, contributions: Iterable[tuple[ExtensionPoint[Any], Any]] = ()) -> None:
        self._contributions = tuple(contributions)

    def __getitem__(self, point: ExtensionPoint[T]) -> tuple[T, ...]:
        """The contributions to a point, in the modules' start order; empty when there are none."""
        return tuple(value for key, value in self._contributions if key is point)
