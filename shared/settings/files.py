"""Settings from files: an orchestrator mounts secrets so, and what is no environment variable is in no `docker inspect`
and no crash report.
"""

import os
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from shared.settings.variables import SettingsError, variables_of


class _InFile:
    """Marks a setting that may be in a file."""


IN_FILE: Final = _InFile()
"""In a field's `Annotated`: the variable of the setting with `_FILE` behind it may name a file that has the value."""


def files_of(kind: type[BaseSettings]) -> dict[str, str]:
    """The variables that name files of the kernel's settings, and the variable in the place of which each stands."""
    return {f"{name}_FILE": name for name, field in variables_of(kind).items() if IN_FILE in field.metadata}


class Files(PydanticBaseSettingsSource):
    """Reads these files, once, at the start."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """None: `__call__` does all of it."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """What stands in files. Raises SettingsError, whose message has neither value nor path: somebody may have set
        the variable to the secret itself.
        """
        given = {name.upper(): value for name, value in os.environ.items() if value}
        names = {
            variable: field.validation_alias or name
            for (variable, field), name in zip(
                variables_of(self.settings_cls).items(), self.settings_cls.model_fields, strict=True
            )
        }
        found: dict[str, Any] = {}
        for file, variable in files_of(self.settings_cls).items():
            if file not in given:
                continue
            if variable in given:
                raise SettingsError(f"{variable} and {file} are both set: unset one of them.")
            found[str(names[variable])] = _content(file, Path(given[file]))
        return found


def _content(variable: str, file: Path) -> str:
    try:
        content = file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{variable} names a file that cannot be read: {error.strerror}.") from None
    except UnicodeError:
        raise SettingsError(f"{variable} names a file that is no text in UTF-8.") from None
    if not content:
        raise SettingsError(f"{variable} names a file that is empty.")
    return content
