"""Squawk reads the SQL of each migration that is not released yet, for what breaks the version before or blocks others.

A rule that a migration breaks for a reason is named in its file: `# squawk: renaming-column, nobody reads it yet`.
"""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from alembic import command

from app.migrations.back import released
from app.migrations.branches import Revision, ancestors, in_order, revisions
from app.migrations.planning import copied
from tests.database import clone

SQUAWK = Path(sysconfig.get_path("scripts"), "squawk")
NOT_OURS = {
    "require-lock-timeout": "`trellis migrate` sets one for each transaction",
    "require-statement-timeout": "an index of a large table may take its time",
    "prefer-robust-stmts": "a revision is one transaction, and tried again whole",
    "prefer-text-field": "a longer varchar changes the catalogue alone",
    "require-table-schema": "the search path says which",
}


def complaints(statements: list[str], *permitted: str) -> list[str]:
    """The rules that the statements of a migration break, in order."""
    excluded = [f"--exclude={rule}" for rule in (*NOT_OURS, *permitted)]
    script = ";\n".join(statement.rstrip(";") for statement in statements) + ";\n"
    found = subprocess.run(
        [SQUAWK, "--assume-in-transaction", "--pg-version=15.0", "--reporter=gcc", *excluded],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "syntax-error" not in found.stdout, found.stdout
    return re.findall(r"(?:warning|error): ([\w-]+)", found.stdout)


def permitted(source: str) -> list[str]:
    """The rules that a migration's file names, each with a reason."""
    return re.findall(r"^ *# squawk: ([\w-]+), \S", source, re.MULTILINE)


def unreleased() -> list[Revision]:
    found = revisions()
    old = ancestors(released().heads, found)
    return [revision for revision in in_order(found) if revision.id not in old]


class TestAMigration:
    def test_that_is_not_released_yet_breaks_no_rule_without_a_reason(self):
        """On a copy of the schema as it was released, each in its turn."""
        new = unreleased()
        with clone("squawk") as url, copied(url, ancestors(released().heads, revisions())) as rehearsal:
            for revision in new:
                rehearsal.run(revision.id, command.upgrade, revision.id)
        for revision in new:
            statements = [step.statement for step in rehearsal.steps if step.revision == revision.id]
            assert complaints(statements, *permitted(revision.source)) == [], revision


class TestSquawk:
    @pytest.mark.parametrize(
        ("statement", "rule"),
        [
            ("CREATE INDEX more ON tags (version)", "require-concurrent-index-creation"),
            ("ALTER TABLE tags RENAME color TO colour", "renaming-column"),
            ("ALTER TABLE tags DROP COLUMN color", "ban-drop-column"),
            ("ALTER TABLE tags ADD CONSTRAINT more CHECK (version > 0)", "constraint-missing-not-valid"),
            ("ALTER TABLE tags ADD more uuid NOT NULL DEFAULT gen_random_uuid()", "adding-field-with-default"),
        ],
    )
    def test_finds_what_is_planted(self, statement, rule):
        assert complaints([statement]) == [rule]
        assert complaints([statement], *permitted(f"    # squawk: {rule}, for a reason")) == []
        assert complaints([statement], *permitted(f"# squawk: {rule}")) == [rule]

    def test_lets_an_expansion_pass(self):
        """As `trellis revision` writes it."""
        made = "CREATE TABLE notes (id uuid NOT NULL, text varchar(20), CONSTRAINT pk_notes PRIMARY KEY (id))"
        statements = [made, "CREATE INDEX ix_notes_text ON notes (text)", "ALTER TABLE tags ADD COLUMN more varchar(9)"]
        assert complaints(statements) == []
