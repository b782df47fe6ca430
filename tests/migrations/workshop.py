"""A module's tables, as a team changes them, and the migrations written for it, run on a database of their own."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Computed, DateTime, Enum, Index, Integer, MetaData, String, Table, Uuid, func, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.schema import SchemaItem

from app.migrations import revision
from app.migrations.answers import Answers
from app.migrations.branches import VERSIONS
from app.migrations.drafting import draft
from app.migrations.environment import engine, options
from app.migrations.stages import Stages
from shared.manifest import discover
from shared.rows.models import NAMING_CONVENTION, Model, owners
from tests.migrations.catalog import catalogue

REAL = Model.metadata
FIRST = (
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, server_default="1", nullable=False),
    Column("updated_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)


discover()  # Imports the tables of all modules.


class Workshop:
    """Writes the migrations of the module `notes`, and runs them in transactions of their own."""

    def __init__(self, url: str, folder: Path, monkeypatch: Any) -> None:
        self.url = url
        self.versions = folder / "versions"
        for module in VERSIONS.iterdir():
            if module.is_dir():
                (self.versions / module.name).mkdir(parents=True)
                for path in module.glob("*.py"):
                    (self.versions / module.name / path.name).write_text(path.read_text())
        self.engine = engine(url)
        self.monkeypatch = monkeypatch
        self.module: Any = SimpleNamespace(name="notes", requires=("users",))

    def tables(self, **tables: Sequence[SchemaItem]) -> None:
        """What the module's models say from now on, beside an id and a version in each table."""
        metadata = MetaData(naming_convention=NAMING_CONVENTION)
        for table in REAL.tables.values():
            table.to_metadata(metadata)
        for name, items in tables.items():
            Table(name, metadata, *(column._copy() for column in FIRST), *items)
        self.monkeypatch.setattr(Model, "metadata", metadata)
        self.monkeypatch.setattr(revision, "owners", lambda: owners() | dict.fromkeys(tables, "notes"))

    def differences(self, **answers: Any) -> Stages:
        """What is left to write."""
        with self.engine.connect() as connection:
            stages = draft(connection, lambda table: table not in REAL.tables, Answers(**answers))
            connection.rollback()
        return stages

    def write(self, message: str = "change", **answers: Any) -> list[Path]:
        """Write the migrations, and give their files."""
        parts = revision.parts(message, self.differences(**answers))
        with self.engine.connect() as connection:
            return revision.write(connection, self.module, parts, self.versions)

    def run(self, paths: Sequence[Path], way: str = "upgrade") -> None:
        """Run the files up, or down."""
        for path in paths if way == "upgrade" else reversed(paths):
            with self.engine.begin() as connection:
                context = MigrationContext.configure(connection, opts=options())
                with Operations.context(context):
                    getattr(loaded(path), way)()

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """What a statement finds."""
        with self.engine.begin() as connection:
            found = connection.execute(text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def catalogue(self) -> list[str]:
        """What stands in the database."""
        return catalogue(self.url)


def loaded(path: Path) -> ModuleType:
    """A migration as Alembic loads it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def title(length: int = 50, **options: Any) -> Column[str]:
    return Column("title", String(length), nullable=False, **options)


def state(*values: str) -> Column[str]:
    kind = Enum(*values, native_enum=False, create_constraint=True, length=20, name="state")
    return Column("state", kind, nullable=False)


def search(*columns: str) -> list[SchemaItem]:
    words = " || ".join(f"to_tsvector('simple', coalesce({column}, ''))" for column in columns)
    return [
        Column("search", TSVECTOR, Computed(words, persisted=True)),
        Index("ix_notes_search", "search", postgresql_using="gin"),
    ]


SECRET: dict[str, Any] = {"info": {"secret": True}}


def insert(workshop: Workshop, names: str | None = None) -> None:
    """A row with a value where there has to be one, or in these columns."""
    columns = workshop.sql("""
        SELECT column_name FROM information_schema.columns WHERE table_name = 'notes' AND is_nullable = 'NO'
        AND column_default IS NULL AND is_identity = 'NO'""")
    values = {"state": "'draft'", "id": "gen_random_uuid()"}
    given = names.split(", ") if names else [name for (name,) in columns]
    row = ", ".join(values.get(name, "'1'") for name in given)
    workshop.sql(f"INSERT INTO notes ({', '.join(given)}) VALUES ({row})")
