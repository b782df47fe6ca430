"""From environment variables to settings."""

import re
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as NoJson

KERNEL = SettingsConfigDict(
    env_prefix="trellis_",
    env_ignore_empty=True,
    frozen=True,
    hide_input_in_errors=True,
    use_attribute_docstrings=True,
)
"""How the kernel's settings are read."""


class SettingsError(Exception):
    """The settings do not allow a start; the message names each variable and what is wrong with it."""


class ModuleSettings(BaseSettings):
    """The base of a module's settings: its manifest has `settings=TaskSettings`, its container a Dependency `settings`.

    Every field is the environment variable `TRELLIS_<MODULE>_<FIELD>`. They are read once, when the application is
    composed. `trellis --help` shows a field's docstring.
    """

    model_config = SettingsConfigDict(
        env_ignore_empty=True, frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


S = TypeVar("S", bound=ModuleSettings)


def settings_of(kind: type[S], module: str) -> S:
    """The settings of a module, from the environment. Raises SettingsError, whose message has no values."""
    try:
        return kind(_env_prefix=_prefix(module))
    except ValidationError as error:
        raise told(error, _prefix(module)) from None
    except NoJson as error:
        found = re.search(r'field "(\w+)"', str(error))
        raise SettingsError(f"{_variable((found[1] if found else '?',), _prefix(module))} is no JSON") from None


def variables_of(kind: type[BaseSettings], module: str = "") -> dict[str, FieldInfo]:
    """The fields of the kernel's settings, or of a module's, by their environment variables."""
    prefix = _prefix(module)
    return {_variable((field.validation_alias or name,), prefix): field for name, field in kind.model_fields.items()}


def told(error: ValidationError, prefix: str = "TRELLIS_") -> SettingsError:
    """What is wrong, without the values."""
    wrong = [e for e in error.errors() if e["type"] != "default_factory_not_called"]  # A consequence.
    lines = [f"{_variable(e['loc'], prefix)} {e['msg'].removeprefix('Value error, ')}" for e in wrong]
    return SettingsError("\n".join(lines))


def _prefix(module: str) -> str:
    return f"TRELLIS_{module.upper()}_" if module else "TRELLIS_"


def _variable(location: tuple[Any, ...], prefix: str = "TRELLIS_") -> str:
    name = str(location[0])
    return name if name.isupper() else f"{prefix}{name.upper()}"
