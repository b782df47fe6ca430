"""What a new module and its parts are called."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.auth import RESOURCES
from shared.rows import owners


def camel(name: str) -> str:
    """`LineItem` of `line_item`."""
    return "".join(part.capitalize() for part in name.split("_"))


def singular(plural: str) -> str:
    """`entry` of `entries`. English has exceptions, so whoever asks can say otherwise."""
    for ending, replaced in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", "")):
        if plural.endswith(ending) and not plural.endswith("ss"):
            return plural.removesuffix(ending) + replaced
    return plural


@dataclass(frozen=True)
class Names:
    """The names of a module, of its resource, and of what it is made of."""

    module: str
    """Of the folder, the table, the resource in the feed, and the branch of migrations: `line_items`."""
    row: str
    """Of one: `line_item`."""

    @cached_property
    def model(self) -> str:
        """The class of its rows: `LineItem`."""
        return camel(self.row)

    @cached_property
    def models(self) -> str:
        """Many of them, in the name of a class: `LineItems`."""
        return camel(self.module)

    @cached_property
    def container(self) -> str:
        """`LineItemsContainer`."""
        return f"{self.models}Container"

    @cached_property
    def collection(self) -> str:
        """`LINE_ITEMS`."""
        return self.module.upper()

    @cached_property
    def path(self) -> str:
        """In URLs: `line-items`."""
        return self.module.replace("_", "-")

    @cached_property
    def parameter(self) -> str:
        """Of the path of one: `line_item_id`."""
        return f"{self.row}_id"

    @cached_property
    def words(self) -> str:
        """One in a sentence: `line item`."""
        return self.row.replace("_", " ")

    @cached_property
    def plural_words(self) -> str:
        """Many in a sentence: `line items`."""
        return self.module.replace("_", " ")

    @cached_property
    def a_row(self) -> str:
        """`a line item`, `an invoice`."""
        return f"{'an' if self.words[0] in 'aeio' else 'a'} {self.words}"


@dataclass(frozen=True)
class Belongs:
    """To what the new rows belong."""

    resource: str
    """Its name."""
    is_part: bool
    """Whether they are part of it; otherwise it is the account that owns them."""

    @cached_property
    def module(self) -> str:
        """The module that has the resource."""
        return owners()[self.resource]

    @cached_property
    def words(self) -> str:
        """What one of the resource is called in a sentence, by the docstring of its document: `account`."""
        document: Any = RESOURCES[self.resource].collection.document
        return re.sub(r"^(an?|the) ", "", (document.__doc__ or "").partition(".")[0], flags=re.IGNORECASE)

    @cached_property
    def column(self) -> str:
        """The column that names it."""
        return f"{singular(self.resource)}_id" if self.is_part else "owner_id"

    @property
    def function(self) -> str:
        """What the column is declared with."""
        return "part_of" if self.is_part else "owned_by"

    @property
    def verb(self) -> str:
        """Between a row and it."""
        return "is part of" if self.is_part else "belongs to"

    @property
    def contract(self) -> str:
        """The class of the contract tests of the resource."""
        return f"Test{camel(self.resource)}"
