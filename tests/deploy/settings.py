"""The variables that files of a deployment set, and those that there are."""

from collections.abc import Iterable

from shared.settings import Settings, files_of, variables_of


def unknown(variables: Iterable[str]) -> set[str]:
    return {*variables} - variables_of(Settings).keys() - files_of(Settings).keys()
