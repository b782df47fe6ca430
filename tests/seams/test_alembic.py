"""What app/migrations and shared/upkeep/schema.py rely on and Alembic does not promise."""

import pytest
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.config import Config
from alembic.operations.ops import AddColumnOp
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB

from app.migrations import upgrade
from shared.upkeep.schema import ALEMBIC_INI, before
from tests.database import empty_database
from tests.seams.sentences import relied_on

SCRIPT = "revision = {!r}\ndown_revision = {!r}\ndepends_on = {!r}\n"


@pytest.fixture
def scripts(tmp_path):
    (tmp_path / "versions").mkdir()
    for number, links in enumerate(
        [
            ("a", None, None),
            ("b", "a", None),
            ("c", "a", None),
            ("d", ("b", "c"), None),
            ("e", None, ("b", "c")),
            ("f", "e", "d"),
        ]
    ):
        (tmp_path / "versions" / f"{number}.py").write_text(SCRIPT.format(*links))
    return ScriptDirectory(tmp_path)


class TestARevision:
    @pytest.mark.parametrize(
        ("name", "earlier"), [("a", []), ("b", ["a"]), ("d", ["b", "c"]), ("e", ["b", "c"]), ("f", ["e", "d"])]
    )
    def test_names_what_must_be_there_before_it(self, scripts, name, earlier):
        """As None, as a text or as several."""
        with relied_on("Alembic", "what `down_revision` and `dependencies` are", "shared/upkeep/schema.py"):
            assert before(scripts.get_revision(name)) == earlier

    def test_is_told_of_when_it_begins(self, settings, caplog):
        """Its logger gets the step itself, whose revision has a name and a docstring."""
        known = {
            script.revision: script.doc for script in ScriptDirectory.from_config(Config(ALEMBIC_INI)).walk_revisions()
        }
        with empty_database(settings.database_url) as url, caplog.at_level("INFO", "trellis"):
            upgrade(url)
        with relied_on("Alembic", "what it logs of a step", "app/migrations/upgrading.py"):
            told = [record.getMessage() for record in caplog.records if record.name == "trellis"]
            assert sorted(told) == sorted(f"Applying {name}: {doc}" for name, doc in known.items())


class TestAnOperation:
    def test_is_written_in_python_by_itself(self):
        """What it needs to import is noted beside it."""
        prefixes = {"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "user_module_prefix": ""}
        context = AutogenContext(MigrationContext.configure(dialect_name="postgresql", opts=prefixes))
        operation = AddColumnOp("tags", Column("more", JSONB()))
        with relied_on("Alembic", "how it renders an operation", "app/migrations/revision.py"):
            assert renderers.dispatch(operation)(context, operation) == (
                "op.add_column('tags', sa.Column('more', postgresql.JSONB(astext_type=sa.Text()), nullable=True))"
            )
            assert context.imports == {"from sqlalchemy.dialects import postgresql"}
