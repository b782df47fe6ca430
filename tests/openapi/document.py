"""The document of the application, the same on every machine; where it is kept; and what must be said of it."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from app.asgi import create_app
from app.container import compose
from shared.manifest import discover
from shared.settings import Settings
from tests.openapi.alternatives import Json
from tests.openapi.differences import Change
from tests.servers import ROOT

SNAPSHOT = ROOT / "docs" / "openapi.json"
API_MD = ROOT / "docs" / "api.md"
RELEASED = Path(__file__).with_name("released.json")
"""The document of the newest release: what clients rely on. Before the first one, that of the day it was first kept."""
CHANGELOG = ROOT / "CHANGELOG.md"


def document() -> Json:
    """That of the application as it is. No setting of this machine has a part in it, and no database is opened."""
    with _no_settings():
        settings = Settings(
            DATABASE_URL="postgresql://localhost/none",
            environment="development",
            secret=SecretStr("a secret for tests, 32 bytes or more"),
        )
        found: Json = json.loads(json.dumps(create_app(compose(settings, discover())).openapi()))
    return found


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


def unnamed(changes: list[Change], changelog: str) -> list[str]:
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
