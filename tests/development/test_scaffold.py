"""`trellis module new`: what it writes is whole, needs no change anywhere else, and is little."""

import os
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

import modules
from app.development.scaffold import FieldError, NewField, new_command, singular
from app.migrations import OpensDatabase
from tests.database import TEMPLATE, empty_database
from tests.development.scaffolds import Scaffolds
from tests.servers import serving

STEPS = ("--field=name:line", "--field=ready:bool", "--field=state:enum=draft,done?", "--part-of", "projects")
MOST_LINES = 260
"""Of a module without its tests: what could be generated word for word belongs to the kernel."""


@pytest.fixture(scope="module")
def scaffolds(tmp_path_factory):
    with empty_database(os.environ[TEMPLATE]) as url:
        yield Scaffolds(tmp_path_factory.mktemp("scaffolds"), url)


class TestAModule:
    def test_is_served_and_passes_its_tests_as_it_is_written(self, scaffolds, tmp_path):
        """One that is part of projects; one that accounts own is made in docs/modules.md. No other file is touched."""
        written = scaffolds.new("steps", *STEPS)
        folders = {path.rpartition("/")[0] for path in written}
        assert folders == {"modules/steps", "modules/steps/tests", "migrations/versions/steps"}
        ours = [path for path in written if path.startswith("modules/steps/") and "/tests/" not in path]
        assert sum(len((scaffolds.tree / path).read_text().splitlines()) for path in ours) <= MOST_LINES
        assert " passed" in scaffolds.test("modules/steps")
        with serving(tmp_path, PYTHONPATH=str(scaffolds.tree), DATABASE_URL=scaffolds.url) as server:
            assert server.get("/api/v1/steps").status_code == 401
            assert "steps_create" in server.get("/openapi.json").text
        for check in ("ruff check .", "ruff format --check ."):
            scaffolds.done(scaffolds.run("-m", *check.split()))

    def test_that_is_part_of_a_resource_and_owned_by_accounts_passes_its_tests_too(self, scaffolds):
        """What it is part of decides who sees and changes it; its maker is named, and it goes with either."""
        scaffolds.new("remarks", "--field=body:text", "--part-of", "projects", "--owned-by", "users")
        models = (scaffolds.tree / "modules/remarks/models.py").read_text()
        assert 'project_id: UUID = part_of("projects")\n    owner_id: UUID = owned_by("users")' in models
        assert " passed" in scaffolds.test("modules/remarks")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["tags", "--owned-by", "users"], "There is a resource 'tags' already."),
            (["Invoice", "--owned-by", "users"], "It is a plural in lower case"),
            (["sheep", "--owned-by", "users"], "It is a plural in lower case, with a --singular of its own."),
            (["bills"], "Say whose its rows are"),
            (["bills", "--part-of", "users", "--owned-by", "heaven"], "There is no resource 'heaven'; there are"),
            (["bills", "--part-of", "heaven"], "There is no resource 'heaven'; there are"),
            (["bills", "--owned-by", "users", "--field", "total"], "'total' is no field: write name:kind"),
            (["bills", "--owned-by", "users", "--field", "total:gold"], "'total:gold': the kinds are line, text, int"),
            (["bills", "--owned-by", "users", "--field", "count:int"], "A field cannot be called 'count'."),
            (["bills", "--owned-by", "users", "--field", "a:int", "--field", "a:date"], "There are two of a."),
            (["bills", "--owned-by", "users", "--field", "state:enum"], "an enumeration names its values"),
        ],
    )
    def test_that_cannot_be_made_is_refused_in_a_sentence(self, arguments, told):
        answer = CliRunner().invoke(new_command(cast("OpensDatabase", None)), arguments)
        assert answer.exit_code == 2
        assert told in " ".join(answer.stderr.split())
        assert not (Path(modules.__path__[0]) / "bills").exists()


class TestAField:
    @pytest.mark.parametrize(
        "given",
        [
            "Total:int",
            "1st:int",
            "a b:int",
            "a:int!",
            "class:int",
            "owner_id:uuid",
            "a:int=1",
            "a:enum=x,",
            "a:enum=x-y",
        ],
    )
    def test_that_is_none_is_refused(self, given):
        with pytest.raises(FieldError):
            NewField.parsed(given, "Bill")


class TestTheNameOfOne:
    @pytest.mark.parametrize(
        ("many", "one"),
        [
            ("invoices", "invoice"),
            ("entries", "entry"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("classes", "class"),
            ("line_items", "line_item"),
        ],
    )
    def test_is_found(self, many, one):
        assert singular(many) == one
