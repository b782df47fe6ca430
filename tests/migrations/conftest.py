"""An empty database for each test of the migrations."""

import os
from collections.abc import Iterator

import pytest

from tests.database import TEMPLATE, empty_database


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database, which Alembic finds as DATABASE_URL."""
    with empty_database(os.environ[TEMPLATE], "migrations") as url:
        monkeypatch.setenv("DATABASE_URL", url)  # Also puts back what `upgrade` sets.
        yield url
