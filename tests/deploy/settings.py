"""The variables that files of a deployment set, and those that there are."""

from collections.abc import Iterable, Mapping

from pydantic.fields import FieldInfo

from shared.manifest import discover
from shared.settings import Settings, files_of, variables_of


def fields() -> Mapping[str, FieldInfo]:
    """Of the kernel and of all modules, by their variables."""
    of_modules = {name: field for module in discover() for name, field in module.variables().items()}
    return {**variables_of(Settings), **of_modules}


def unknown(variables: Iterable[str]) -> set[str]:
    return {*variables} - fields().keys() - files_of(Settings).keys()
