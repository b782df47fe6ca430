"""Migrations on tables with rows: down and up again, each module alone, in another order, and from the last release."""

import os
import subprocess
from collections.abc import Iterable, Iterator

import pytest
from alembic import command
from alembic.config import Config
from psycopg.conninfo import conninfo_to_dict

from app.migrations import VERSIONS, upgrade
from app.migrations.branches import Revision, ancestors, in_order, revisions
from app.seeding import plant
from shared.settings import Settings
from shared.upkeep.schema import ALEMBIC_INI
from tests.database import TEMPLATE, empty_database
from tests.migrations.catalog import catalogue, connect, tables
from tests.migrations.test_migrations import LABELS, MODULES, required

CONFIG = Config(ALEMBIC_INI)
ALL = in_order(revisions())
ROWS = 30


def seed(url: str, names: Iterable[str] = MODULES) -> None:
    """Some rows of each module that makes any, as `trellis seed` makes them."""
    settings = Settings(DATABASE_URL=url, environment="development", argon2_memory_kib=8, argon2_iterations=1)
    modules = [module for name, module in MODULES.items() if name in names]
    plant(settings, modules, {module.name: ROWS for module in modules if module.seed})


def counts(url: str) -> dict[str, int]:
    """How many rows are in each table."""
    with connect(url) as connection:
        return {name: int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in tables(url)}


def take_back(wanted: Iterable[Revision]) -> None:
    """Go down by these, the last one first."""
    for revision in reversed(in_order(wanted)):
        command.downgrade(CONFIG, revision.follows or f"{revision.module}@base")


def released() -> set[str]:
    """The migrations of the newest release that git knows; before there is one, the first of each branch."""
    folder = VERSIONS.parent
    tag = subprocess.run(["git", "describe", "--tags", "--abbrev=0"], cwd=folder, capture_output=True, check=False)
    if tag.returncode != 0:
        return {revision.id for revision in ALL if revision.follows is None}
    listed = ["git", "ls-tree", "-r", "--name-only", tag.stdout.decode().strip(), "versions/"]
    files = subprocess.run(listed, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    return {revision.id for revision in ALL if f"versions/{revision.module}/{revision.path.name}" in files}


@pytest.fixture(scope="module")
def seeded() -> Iterator[str]:
    """A database with rows, to be cloned. Tests only read it."""
    with empty_database(os.environ[TEMPLATE], "seeded") as url:
        upgrade(url)
        seed(url)
        yield url


@pytest.fixture
def full(seeded: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with rows at the newest revisions, which Alembic finds as DATABASE_URL."""
    with empty_database(seeded, "migrations", str(conninfo_to_dict(seeded)["dbname"])) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield url


class TestOnRows:
    def test_there_are_rows_in_the_tables_of_every_module_that_makes_some(self, seeded):
        """The tests below look at something."""
        makers = [module for module in MODULES.values() if module.seed]
        assert makers
        assert sum(count >= ROWS for count in counts(seeded).values()) >= len(makers)

    @pytest.mark.parametrize("revision", [pytest.param(revision, id=revision.id) for revision in ALL])
    def test_each_goes_down_and_up_again(self, full, revision):
        """With all that comes after it. What they do not make keeps its rows."""
        first, rows = catalogue(full), counts(full)
        take_back(later for later in ALL if revision.id in ancestors([later.id], ALL))
        left = counts(full)
        assert {name: rows[name] for name in left} == left
        command.upgrade(CONFIG, "heads")
        assert catalogue(full) == first

    def test_those_since_the_last_release_find_its_rows(self, full):
        """As at an upgrade of who runs it."""
        first, rows = catalogue(full), counts(full)
        take_back(revision for revision in ALL if revision.id not in released())
        kept = counts(full)
        command.upgrade(CONFIG, "heads")
        assert catalogue(full) == first
        assert kept.items() <= rows.items()
        assert {name: count for name, count in counts(full).items() if name in kept} == kept


class TestAlone:
    @pytest.mark.parametrize("module", MODULES)
    def test_a_module_goes_up_down_and_up_with_rows(self, url, module):
        """With what it requires, and no other."""
        names = required(module)
        for name in sorted(names):
            command.upgrade(CONFIG, f"{name}@head")
        seed(url, names)
        first = catalogue(url)
        for revision in reversed([one for one in ALL if one.module == module]):
            take_back(later for later in ALL if later.module in names and revision.id in ancestors([later.id], ALL))
            command.upgrade(CONFIG, f"{module}@head")
        for name in sorted(names):
            command.upgrade(CONFIG, f"{name}@head")
        assert catalogue(url) == first


class TestInAnotherOrder:
    def test_the_branches_make_the_same_tables(self, url, seeded):
        """On a fresh database a module may be migrated whole before a neighbour's old revision."""
        for name in sorted(LABELS, reverse=True):
            command.upgrade(CONFIG, f"{name}@head")
        assert catalogue(url) == catalogue(seeded)
        seed(url)
        command.downgrade(CONFIG, "base")
        assert catalogue(url) == []
        for name in sorted(LABELS):
            command.upgrade(CONFIG, f"{name}@head")
        assert catalogue(url) == catalogue(seeded)
