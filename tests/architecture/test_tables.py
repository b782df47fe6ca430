"""The tables: what they may refer to, and what every one of them has in the migrated database."""

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, MetaData, String, text
from sqlalchemy import Enum as Choice
from sqlalchemy import Table as Rows

import shared
from app.development.checking import breakable_rules
from shared.errors import Conflict, DomainError, Invalid
from shared.manifest import discover
from shared.rows import Model, live_unique, owners

REQUIRES = {module.name: module.requires for module in discover()}

VERSIONED_WITHOUT_TRIGGER = """
    SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'version'
    AND NOT EXISTS (
        SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE tgrelid = table_name::regclass AND tgname = 'touch' AND proname = 'trellis_touch' AND tgenabled = 'O'
        AND tgtype = 1 + 2 + 16 AND tgqual IS NULL AND tgattr = ''  -- for each row, before, update of whatever
    )"""

# Index columns from the first on, as far as the index is of every row.
LEADING = """
    SELECT FROM pg_index WHERE indrelid = {table} AND indisvalid AND {columns} <@ (indkey::int2[])[0:{count} - 1]"""

FOREIGN_KEY_WITHOUT_INDEX = f"""
    SELECT conname FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
    AND conname !~ '^procrastinate_' AND NOT EXISTS (
        {LEADING.format(table="conrelid", columns="conkey", count="cardinality(conkey)")} AND indpred IS NULL
    )"""

DELETION_GROUP_WITHOUT_INDEX = f"""
    SELECT relname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
    WHERE relnamespace = 'public'::regnamespace AND attname = 'deletion_id' AND NOT EXISTS (
        {LEADING.format(table="attrelid", columns="ARRAY[attnum]", count=1)}
        AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = '(deletion_id IS NOT NULL)')
    )"""

TIME_WITHOUT_ZONE = """
    SELECT table_name || '.' || column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type = 'timestamp without time zone'"""

CONSTRAINT_NAMED_OTHERWISE = """
    SELECT conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid, LATERAL (
        SELECT string_agg(attname, '_' ORDER BY position) AS columns
        FROM unnest(conkey) WITH ORDINALITY AS key (number, position)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = number
    ) AS named WHERE connamespace = 'public'::regnamespace
    AND relname !~ '^(alembic_version$|procrastinate_)' AND NOT CASE contype
        WHEN 'p' THEN conname = 'pk_' || relname
        WHEN 'f' THEN conname = 'fk_' || relname || '_' || columns
        WHEN 'u' THEN conname = 'uq_' || relname || '_' || columns
        WHEN 'c' THEN starts_with(conname, 'ck_' || relname || '_')
        ELSE contype = 'n'
    END"""

INDEX_NAMED_OTHERWISE = """
    SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'public'::regnamespace
    AND relname !~ '^(alembic_version$|procrastinate_)' AND NOT indisprimary AND NOT
    starts_with(indexrelid::regclass::text, CASE WHEN indisunique THEN 'uq_' ELSE 'ix_' END || relname || '_')"""

FLAWS = {
    "a versioned table without its trigger": (
        VERSIONED_WITHOUT_TRIGGER,
        """CREATE TABLE planted (version int);
        CREATE TRIGGER touch AFTER UPDATE ON planted FOR EACH ROW EXECUTE FUNCTION trellis_touch()""",
        {"planted"},
    ),
    "a foreign key that no index leads with": (
        FOREIGN_KEY_WITHOUT_INDEX,
        """CREATE TABLE planted (n int, owner_id uuid CONSTRAINT fk_planted_owner_id REFERENCES users);
        CREATE INDEX ix_planted_n_owner_id ON planted (n, owner_id);
        CREATE INDEX ix_planted_owner_id ON planted (owner_id) WHERE n > 0""",
        {"fk_planted_owner_id"},
    ),
    "a deletion group without an index": (
        DELETION_GROUP_WITHOUT_INDEX,
        "CREATE TABLE planted (deletion_id uuid)",
        {"planted"},
    ),
    "a time without a zone": (TIME_WITHOUT_ZONE, "CREATE TABLE planted (at timestamp)", {"planted.at"}),
    "a constraint named otherwise": (
        CONSTRAINT_NAMED_OTHERWISE,
        """CREATE TABLE planted (id int PRIMARY KEY, owner_id uuid REFERENCES users,
        CONSTRAINT ck_planted_positive CHECK (id > 0), CONSTRAINT even CHECK (id % 2 = 0),
        CONSTRAINT uq_planted UNIQUE (owner_id))""",
        {"planted_pkey", "uq_planted", "even", "planted_owner_id_fkey"},
    ),
    "an index named otherwise": (
        INDEX_NAMED_OTHERWISE,
        """CREATE TABLE planted (a int, b int); CREATE INDEX ON planted (a);
        CREATE UNIQUE INDEX ix_planted_b ON planted (b); CREATE INDEX ix_planted_a ON planted (a)""",
        {"planted_a_idx", "ix_planted_b"},
    ),
}
"""For each: the query that finds it, tables that have it, and what is found in those."""


def undeclared_references(
    metadata: MetaData, owners: Mapping[str, str], requires: Mapping[str, Collection[str]]
) -> set[str]:
    """The foreign keys into the tables of a module that the owner's manifest does not require."""
    found = set()
    for table in metadata.tables.values():
        owner = owners[table.name]
        for key in table.foreign_keys:
            target = owners[key.column.table.name]
            if target != owner and target not in requires[owner]:
                found.add(f"{table.name}.{key.parent.name} of {owner} refers to {key.target_fullname} of {target}")
    return found


def texts(folder: Path) -> Iterator[str]:
    """The string constants of the Python files in a folder."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


class TestTheKernel:
    def test_names_no_column_by_which_a_module_refers_to_another(self):
        """What such a column means, its module declares."""
        keys = [key for table in Model.metadata.tables.values() for key in table.foreign_keys]
        owner = owners()
        columns = {key.parent.name for key in keys if owner[key.parent.table.name] != owner[key.column.table.name]}
        assert "owner_id" in columns
        assert columns.isdisjoint(texts(Path(shared.__path__[0])))


class TestReferencesBetweenModules:
    def test_are_declared_in_the_manifest_of_the_table_that_refers(self):
        """A foreign key is a dependency like an import."""
        assert undeclared_references(Model.metadata, owners(), REQUIRES) == set()

    def test_would_be_found_if_they_were_not(self):
        """The check can fail: tags do not require projects."""
        metadata = MetaData()
        Rows("users", metadata, Column("id", Integer, primary_key=True))
        Rows("projects", metadata, Column("id", Integer, primary_key=True), Column("owner", ForeignKey("users.id")))
        Rows("tags", metadata, Column("owner", ForeignKey("users.id")), Column("project", ForeignKey("projects.id")))
        owners = {"users": "users", "projects": "projects", "tags": "tags"}
        requires = {"users": (), "tags": ("users",), "projects": ("users", "tags")}
        assert undeclared_references(metadata, owners, requires) == {
            "tags.project of tags refers to projects.id of projects"
        }

    def test_are_judged_by_owners_that_every_table_has(self):
        """A table that nobody owned would escape."""
        assert owners().keys() == Model.metadata.tables.keys()
        assert set(owners().values()) <= {*REQUIRES, "kernel"}


class TestRules:
    def test_are_all_looked_at(self):
        """By `trellis module check`: every kind of rule is found, and neither keys nor choices are."""
        metadata = MetaData(naming_convention=Model.metadata.naming_convention)
        Rows(
            "planted",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("code", String, unique=True),
            Column("name", String),
            Column("deleted_at", String),
            Column("kind", Choice("a", "b", native_enum=False, create_constraint=True, name="kind")),
            CheckConstraint("id > 0", name="positive"),
            live_unique("name", raises=Planted),
        )
        assert breakable_rules(metadata).keys() == {"uq_planted_code", "uq_planted_name", "ck_planted_positive"}

    async def test_are_in_the_database_by_their_names(self, database):
        """What a violation names is what the model says."""
        query = "SELECT conname FROM pg_constraint UNION SELECT relname FROM pg_class WHERE relkind = 'i'"
        names = (await database.sql(text(query))).scalars()
        assert breakable_rules(Model.metadata).keys() - set(names) == set()
        assert all(issubclass(error, Conflict | Invalid) for error in DomainError.by_constraint.values())


class Planted(Conflict):
    """Another row has this name."""


class TestTheMigratedDatabase:
    @pytest.mark.parametrize("flaw", FLAWS)
    async def test_has_nowhere(self, database, flaw):
        """The schema is free of it."""
        query, _, _ = FLAWS[flaw]
        assert set((await database.sql(text(query))).scalars()) == set()

    @pytest.mark.parametrize("flaw", FLAWS)
    async def test_would_be_caught_with(self, database, flaw):
        """A planted table that has it is found, and what is right about that table is not."""
        query, planted, found = FLAWS[flaw]
        async with database.forgetting():
            await database.script(planted)
            assert set((await database.sql(text(query))).scalars()) == found
