"""A change of a module, and what the check says of it."""

from typing import NamedTuple


class Violation(NamedTuple):
    """A change of one file, and words of the sentence, the way out among them."""

    path: str
    code: str
    told: str


TAGS = "modules/tags/"
