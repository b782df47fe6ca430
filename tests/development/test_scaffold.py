"""`trellis module new`: what it writes is whole, needs no change anywhere else, and is little."""

import os
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

import modules
from app.development.scaffold import FieldError, NewField, new_command, singular
from app.development.scaffold.fields import TAKEN
from app.migrations import OpensDatabase
from tests.database import TEMPLATE, empty_database
from tests.development.scaffolds import Scaffolds
from tests.factories import RowFactory
from tests.servers import serving

STEPS = ("--field=name:line", "--field=ready:bool", "--field=state:enum=draft,done?", "--part-of", "projects")
NAMED_LIKE_TYPES = ("date:date?", "due:date", "time:time", "datetime:datetime?", "timedelta:duration", "at:datetime")
NAMED_LIKE_WORDS = ("key_id:uuid", "touched:bool", "row:line", "change:text", "owner:line?", "caller:enum=a,b")
OWNED = ("--owned-by", "users")
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

    def test_that_is_part_of_a_resource_and_owned_by_accounts_has_both(self, scaffolds):
        """What it is part of decides who sees and changes it; its maker is named, and it goes with either. That it
        passes its tests is shown by docs/modules-in-depth.md, where one is made.
        """
        scaffolds.new("remarks", "--field=body:text", "--part-of", "projects", "--owned-by", "users")
        models = (scaffolds.tree / "modules/remarks/models.py").read_text()
        assert 'project_id: UUID = part_of("projects")\n    owner_id: UUID = owned_by("users")' in models

    def test_whose_fields_are_called_like_their_types_or_like_words_of_the_kernel_does_so_too(self, scaffolds):
        fields = [f"--field={field}" for field in (*NAMED_LIKE_TYPES, *NAMED_LIKE_WORDS)]
        scaffolds.new("visits", *fields, "--owned-by", "users")
        assert " passed" in scaffolds.test("modules/visits")
        scaffolds.done(scaffolds.run("-m", "mypy", "--package=modules.visits"))

    def test_with_which_the_application_would_not_start_is_taken_away_again(self, scaffolds):
        """Here, the feed has the path."""
        report = scaffolds.run("-m", "app.cli", "module", "new", "changes", "--singular", "alteration", *OWNED)
        told = " ".join(report.stderr.split())
        assert report.returncode == 2
        assert "There can be no such module. GET /api/v1/changes is answered by" in told
        assert "Traceback" not in told
        for folder in ("modules/changes", "migrations/versions/changes"):
            assert not (scaffolds.tree / folder).exists()

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["tags", "--owned-by", "users"], "There is a resource 'tags' already."),
            (["sessions", "--owned-by", "users"], "There is a table 'sessions' already."),
            (["people", "--singular", "user", "--owned-by", "users"], "has an error 'user_not_found' already"),
            (["services", "--owned-by", "users"], "has a ServiceRead already: choose another --singular."),
            (["nones", "--owned-by", "users"], "It is a plural in lower case"),
            (["kernel", "--singular", "x", "--owned-by", "users"], "The kernel has the name 'kernel'."),
            (["x" * 37 + "s", "--owned-by", "users"], "It is too long: ix_"),
            (["bills", "--part-of", "invitations"], "Nobody may change invitations: nothing can be made part of one."),
            (["documents", "--owned-by", "users"], "Two things in its schemas.py would be called Document:"),
            (
                ["lines", "--owned-by", "users", "--field", "a:line"],
                "Two things in its schemas.py would be called Line",
            ),
            (["fields", "--owned-by", "users"], "Two things in its models.py would be called Field:"),
            (["bills", "--owned-by", "users", "--field", "a_1:int", "--field", "a1:line"], "would be called A1Field:"),
            (["bills", "--owned-by", "users", "--field", "int:int"], "A field cannot be called 'int': its schemas.py"),
            (["bills", "--owned-by", "users", "--field", "str:line"], "A field cannot be called 'str': its models.py"),
            (["bills", "--owned-by", "users", "--field", "list:texts"], "A field cannot be called 'list'"),
            (
                ["bills", "--owned-by", "users", "--field", "texts:int?", "--field", "b:texts"],
                "cannot be called 'texts'",
            ),
            (["bills", "--owned-by", "users", "--field", "rows:json"], "A field cannot be called 'rows'."),
            (["bills", "--owned-by", "users", "--field", "changes:int"], "A field cannot be called 'changes'."),
            (["bills", "--owned-by", "users", "--field", "a__b:int"], "two underscores have a meaning"),
            (["bills", "--owned-by", "users", "--field", "n" * 64 + ":int"], "PostgreSQL takes 63 characters"),
            (["bills", "--owned-by", "users", "--field", "read:enum=a,b"], "BillRead is another class"),
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
            "a:enum=_x_",
            f"a:enum={'x' * 21}",
        ],
    )
    def test_that_is_none_is_refused(self, given):
        with pytest.raises(FieldError):
            NewField.parsed(given, "Bill")

    def test_is_called_like_nothing_that_a_factory_of_tests_has(self):
        assert {name for name in dir(RowFactory) if not name.startswith("_") and name.islower()} <= TAKEN

    @pytest.mark.parametrize("name", ["touched", "row", "self_", "change", "key_id", "date", "owner", "values"])
    def test_may_be_called_like_what_the_kernel_has(self, name):
        assert NewField.parsed(f"{name}:line", "Bill").name == name


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
