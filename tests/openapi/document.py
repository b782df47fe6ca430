"""The document of the application, the same on every machine; where it is kept; and what must be said of it.

docs/openapi.json is that of the modules whose paths it has. A module that was added since the newest release keeps its
own part in its own folder, until `make openapi OPENAPI=--release` takes it in: to add a module changes no other file.
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from app.asgi import create_app
from app.container import compose
from shared.manifest import Module, discover
from shared.settings import Settings
from tests.architecture.trees import closure
from tests.openapi.alternatives import Json, component
from tests.openapi.operations import referred
from tests.servers import ROOT

SNAPSHOT = ROOT / "docs" / "openapi.json"
API_MD = ROOT / "docs" / "api.md"
RELEASED = Path(__file__).with_name("released.json")
"""The document of the newest release: what clients rely on. Before the first one, that of the day it was first kept."""
CHANGELOG = ROOT / "CHANGELOG.md"


def document(names: Collection[str] | None = None) -> Json:
    """That of the application as it is, or of these modules alone. No setting of this machine has a part in it, and no
    database is opened.
    """
    modules = [module for module in discover() if names is None or module.name in names]
    with _no_settings():
        settings = Settings(
            DATABASE_URL="postgresql://localhost/none",
            environment="development",
            secret=SecretStr("a secret for tests, 32 bytes or more"),
        )
        found: Json = json.loads(json.dumps(create_app(compose(settings, modules)).openapi()))
    return found


def part_of(name: str) -> Path:
    """Where a module keeps its own part."""
    return ROOT / "modules" / name / "openapi.json"


def added(snapshot: Json) -> list[str]:
    """The modules that came after a document: none of their paths is in it."""
    return [module.name for module in discover() if not _paths(module) & snapshot["paths"].keys()]


def of_the_others(snapshot: Json) -> Json:
    """The document without the modules that came after a kept one."""
    return document({module.name for module in discover()} - {*added(snapshot)})


def own_part(name: str) -> Json:
    """Of the document of a module, with what it requires: its own paths, and the components that they alone use."""
    module = next(module for module in discover() if module.name == name)
    required = closure(module.requires)
    whole, rest = document(required | {name}), document(required)
    paths = {path: node for path, node in whole["paths"].items() if path in _paths(module)}
    part: Json = {"openapi": whole["openapi"], "info": whole["info"], "paths": paths, "components": {}}
    for reference, node in sorted(referred(whole, [paths]).items()):
        kind, own = reference.split("/")[2:]
        if rest["components"].get(kind, {}).get(own) != node:
            part["components"].setdefault(kind, {})[own] = node
    return part


def completed(part: Json, document: Json) -> Json:
    """A module's part with the components that it shares with a document of the application."""
    kinds = {kind: dict(nodes) for kind, nodes in document["components"].items()}
    for kind, nodes in part["components"].items():
        kinds.setdefault(kind, {}).update(nodes)
    whole = {**part, "components": kinds}
    used = [reference.split("/")[2:] for reference in referred(whole, [part["paths"]])]
    components: Json = {}
    for kind, name in used:
        components.setdefault(kind, {})[name] = component(whole, f"#/components/{kind}/{name}")
    return {**part, "components": components}


def _paths(module: Module) -> set[str]:
    return {getattr(route, "path_format", "") for route in module.router.routes}


@contextmanager
def _no_settings() -> Iterator[None]:
    """Without those of the environment."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.upper().startswith("TRELLIS_")}
    try:
        yield
    finally:
        os.environ.update(kept)


def written(document: Json) -> str:
    """As it is kept: a change of it is a change of few lines."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def kept(path: Path) -> Json:
    """One that is kept."""
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    return found


class Told(Protocol):
    """A change, and the sentence that tells it."""

    @property
    def sentence(self) -> str: ...
    @property
    def is_breaking(self) -> bool: ...


def unnamed(changes: Sequence[Told], changelog: str) -> list[str]:
    """The sentences of the breaking changes that no item of the changelog's Unreleased section has."""
    items = _items(changelog)
    return [
        change.sentence
        for change in changes
        if change.is_breaking and not any(_has(item, change.sentence) for item in items)
    ]


def _has(item: str, sentence: str) -> bool:
    """Whether an item has the sentence, and not one that only begins with it or goes on with more operations."""
    return re.search(rf"(?<!\w){re.escape(sentence)}(?!\w|, \w)", item) is not None


def _items(changelog: str) -> list[str]:
    """Those of the Unreleased section, each on one line."""
    (section,) = re.findall(r"^## Unreleased$(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    items = re.split(r"^(?:- |#)", section, flags=re.MULTILINE)
    return [" ".join(item.split()) for item in items[1:]]


def newest_release(changelog: str) -> str | None:
    """The version of the changelog's newest section; None before the first release."""
    found = re.search(r"^## \[?v?(\d+\.\d+\.\d+\S*?)\]?(?:\s|$)", changelog, re.MULTILINE)
    return found and found[1]
