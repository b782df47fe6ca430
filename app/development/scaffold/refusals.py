"""What a new module cannot be called, because something else is, or because it would not work."""

import keyword
import re
from collections.abc import Iterator, Sequence
from typing import Any

import click

from app.development.scaffold.names import Belongs, Names, camel
from shared.auth import CHANGE, RESOURCES
from shared.errors import DomainError
from shared.reads import Document
from shared.rows import Model

LONGEST_NAME = 63
"""Of an index, in characters."""
_KERNEL = {"kernel", "caller"}
"""The branch of the kernel's migrations, and what every statement calls who asks."""


def demand_names(names: Names) -> None:
    """Raises BadParameter for names of a module, and of one of its rows, that cannot be used."""
    name = names.module
    is_word = re.fullmatch(r"[a-z][a-z0-9_]*", name) and names.row.isidentifier() and not keyword.iskeyword(names.model)
    if not is_word or keyword.iskeyword(name) or names.row == name:
        raise _refused("It is a plural in lower case, with a --singular of its own.")
    if name in RESOURCES:
        raise _refused(f"There is a resource '{name}' already.")
    if name in Model.metadata.tables:
        raise _refused(f"There is a table '{name}' already.")
    if name in _KERNEL:
        raise _refused(f"The kernel has the name '{name}'.")
    for code in (f"{names.row}_not_found", f"{names.row}_forbidden"):
        if taken := DomainError.catalogue.get(code):
            raise _refused(f"{taken.__module__} has an error '{code}' already: choose another --singular.")
    for document in _below(Document):
        if document.__name__ == f"{names.model}Read":
            raise _refused(f"{document.__module__} has a {names.model}Read already: choose another --singular.")


def demand_belongings(names: Names, belongings: Sequence[Belongs]) -> None:
    """Raises BadParameter for what rows cannot belong to, and for names that would be too long."""
    for belongs in belongings:
        if belongs.resource not in RESOURCES:
            known = ", ".join(sorted(RESOURCES))
            raise click.BadParameter(f"There is no resource '{belongs.resource}'; there are {known}.")
        if belongs.is_part and not RESOURCES[belongs.resource].policy.allowed.get(CHANGE):
            raise click.BadParameter(f"Nobody may change {belongs.resource}: nothing can be made part of one.")
        index = f"ix_{names.module}_{belongs.column}_created_at_id"
        if len(index) > LONGEST_NAME:
            raise _refused(f"It is too long: {index} has {len(index)} characters, and PostgreSQL takes {LONGEST_NAME}.")


def demand_enumerations(names: Names, fields: Sequence[str]) -> None:
    """Raises BadParameter for a field whose enumeration would be called as another class of the module."""
    made = {f"{names.model}{part}" for part in ("Read", "Create", "Update", "Factory", "NotFound", "Forbidden")}
    made |= {f"{names.model}{part}" for part in ("Repository", "Service")} | {names.container}
    for field in fields:
        if f"{names.model}{camel(field)}" in made:
            told = f"An enumeration cannot be called '{field}': {names.model}{camel(field)} is another class."
            raise click.BadParameter(told, param_hint="--field")


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _refused(why: str) -> click.BadParameter:
    return click.BadParameter(why, param_hint="NAME")
