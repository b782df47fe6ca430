"""`trellis config`: every setting, its value, where that comes from and what it means. Secrets are masked."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import click
from psycopg.pq import Conninfo
from pydantic import SecretStr

from app.operating.output import AS_JSON, as_json
from shared.manifest import Module
from shared.settings import ModuleSettings, Settings, files_of, settings_of, strangers, variables_of

MASK = "********"

_OTHERS = {
    "TMPDIR": ("Python", None, "The folder in which a file to import waits until all of it is there."),
}
"""Variables that are read by others: by whom, what they take in its place, and what it means."""

_LIBPQ = "What DATABASE_URL leaves open: a variable of PostgreSQL's client library."
_OPENTELEMETRY = "Of traces, which are sent when an exporter's endpoint is set."


class ShownSetting(NamedTuple):
    """A setting as operators see it; its value has no secret in it."""

    variable: str
    value: Any
    source: str
    """`environment`, `default`, or the file that it was read from."""
    of: str
    """The kernel, a module, or the program that reads it."""
    meaning: str


def config_command(modules: Sequence[Module]) -> click.Command:
    """The command."""

    @click.command("config", epilog="Example: trellis config --json")
    @AS_JSON
    def config(is_json: bool) -> None:
        """Print every setting.

        Its variable, its value, where that comes from, and what it means. Secrets are masked, in URLs as well. Nothing
        is started, and no database is asked.
        """
        found = [*shown_settings(modules)]
        if is_json:
            click.echo(as_json([one._asdict() for one in found]))
            return
        for one in found:
            click.echo(f"{one.variable} = {'' if one.value is None else one.value}  ({one.source}; {one.of})")
            click.echo(click.wrap_text(one.meaning, 100, "    ", "    "))
        for sentence in strangers(os.environ, [variable for module in modules for variable in module.variables()]):
            click.echo(sentence, err=True)

    return config


def shown_settings(modules: Sequence[Module]) -> Iterator[ShownSetting]:
    """The settings of the kernel, of modules, and those that others read. Raises SettingsError."""
    settings = Settings.load()
    yield from _fields(settings, "kernel")
    for module in modules:
        if module.settings is not None:
            yield from _fields(settings_of(module.settings, module.name), f"module {module.name}", module.name)
    for name, (reader, default, meaning) in _OTHERS.items():
        given = os.environ.get(name)
        yield ShownSetting(name, given or default, "environment" if given else "default", reader, meaning)
    libpqs = {option.envvar.decode(): option for option in Conninfo.get_defaults() if option.envvar}
    for name in sorted(os.environ):
        if name in libpqs:
            value = MASK if b"*" in libpqs[name].dispchar else os.environ[name]
            yield ShownSetting(name, value, "environment", "libpq", _LIBPQ)
        elif name.startswith("OTEL_"):  # Headers are a collector's credentials.
            value = MASK if name.endswith("_HEADERS") else masked(os.environ[name])
            yield ShownSetting(name, value, "environment", "OpenTelemetry", _OPENTELEMETRY)


def _fields(settings: Settings | ModuleSettings, of: str, module: str = "") -> Iterator[ShownSetting]:
    kind = type(settings)
    values = settings.model_dump(mode="json")
    files = {variable: os.environ.get(file) for file, variable in files_of(Settings).items()} if of == "kernel" else {}
    for (variable, field), name in zip(variables_of(kind, module).items(), kind.model_fields, strict=True):
        value, source = values[name], "environment" if name in settings.model_fields_set else "default"
        source = files.get(variable) or source
        if isinstance(settings, Settings) and name == "secret" and source == "default":
            value, source = _made_secret(settings)
        elif isinstance(getattr(settings, name), SecretStr):
            value = MASK
        elif isinstance(value, str):
            value = masked(value)
        yield ShownSetting(variable, value, source, of, " ".join((field.description or "").split()))


def _made_secret(settings: Settings) -> tuple[str | None, str]:
    file: Path = settings.data_dir / "secret"
    is_made = settings.environment == "development" and file.exists()
    return (MASK, str(file)) if is_made else (None, "default")


def masked(urls: str) -> str:
    """The text, with the passwords of URLs in it masked, which blanks separate; any other text as it is."""
    if "://" not in urls:
        return urls
    urls = re.sub(r"(//[^/@:]*:)[^/@]*@", rf"\g<1>{MASK}@", urls)
    return re.sub(r"([?&])([^=&\s]*)=[^&\s]*", _masked_parameter, urls)


def _masked_parameter(found: re.Match[str]) -> str:
    is_secret = re.search("pass|secret|key|token", unquote(found[2]), re.IGNORECASE)
    return f"{found[1]}{found[2]}={MASK}" if is_secret else found[0]
