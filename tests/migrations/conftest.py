"""A database for each test of the migrations, and a module whose tables change."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database import TEMPLATE, clone, empty_database
from tests.migrations.workshop import Workshop, insert, title


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database, which Alembic finds as DATABASE_URL."""
    with empty_database(os.environ[TEMPLATE], "migrations") as url:
        monkeypatch.setenv("DATABASE_URL", url)  # Also puts back what `upgrade` sets.
        yield url


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """With an empty module `notes`."""
    with clone("migrations") as url:
        shop = Workshop(url, tmp_path, monkeypatch)
        yield shop
        shop.engine.dispose()


@pytest.fixture
def made(workshop: Workshop) -> Workshop:
    """The table `notes` with a title, in its first migration; and a row."""
    workshop.tables(notes=[title()])
    workshop.run(workshop.write("tables"))
    insert(workshop)
    return workshop
