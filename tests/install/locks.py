"""What the committed locks say, and what the distributions that they name ask for."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.servers import ROOT

LOCKS = sorted(
    [
        *(ROOT / "requirements").glob("*.txt"),
        ROOT / "benchmarks" / "requirements.txt",
        ROOT / "tests" / "clients" / "requirements.txt",
    ]
)
RUNTIME, DEVELOPMENT = ROOT / "requirements" / "runtime.txt", ROOT / "requirements" / "development.txt"


class Pin(NamedTuple):
    """A line of a lock."""

    requirement: Requirement

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (only,) = self.requirement.specifier
        return only.version

    def applies(self, **environment: str) -> bool:
        """Whether it is installed here, or in another environment."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(dict(environment))


def pins(lock: Path) -> dict[str, Pin]:
    """What a lock names, by name."""
    lines = (line.removesuffix("\\") for line in lock.read_text().splitlines() if not line.startswith(" "))
    return {pin.name: pin for pin in map(Pin, map(Requirement, lines))}


def requires(name: str) -> list[Requirement]:
    """What a distribution asks for, with the extras that it may be asked for; nothing where it is not installed."""
    try:
        return [Requirement(line) for line in distribution(name).requires or ()]
    except PackageNotFoundError:
        return []
