"""`trellis module check`: that it sees what modules must not do, and nothing in those that are as they should be."""

import posixpath
from functools import cache
from shutil import copytree
from textwrap import dedent
from typing import Any, cast

import pytest
from click.testing import CliRunner
from fastapi import FastAPI

from app.development.check import check_command
from app.development.checking import Finding, Tree, branch_findings, check, source_findings
from app.development.checking.assembled import documents, refusal
from app.development.checking.endpoints import LOOKS
from modules.users.models import User
from shared.manifest import ManifestError, discover
from shared.reads import Document
from tests.architecture.comments import COMMENTS
from tests.architecture.spoiled import SPOILED, TOLD
from tests.architecture.trees import ROOT, copied, drop_in, plant, run
from tests.architecture.violations import VIOLATIONS, endpoints, spellings
from tests.architecture.violations.endpoints import ENDPOINTS
from tests.architecture.violations.migrations import MIGRATION, NEXT
from tests.architecture.violations.spellings import CHANGES, DOWN, SPELLINGS, UPGRADES, upgrade, way_down

TREE = Tree.at(ROOT)
SUMMARY = "from modules.users.api import UserSummary\n"
ROUTER, MANIFEST = "modules/tags/router.py", "modules/tags/module.py"


@cache
def before() -> set[Finding]:
    """None, as the first test says; if there are some, the others are about what comes to them."""
    return {*source_findings(TREE)}


def files_of(name: str, files: dict[str, str]) -> dict[str, str]:
    """The files of a module that is dropped in, by their paths in the tree."""
    return {posixpath.normpath(f"modules/{name}/{path}"): dedent(content) for path, content in files.items()}


def findings(path: str, codes: list[str]) -> list[tuple[str, list[str]]]:
    """What is told of each file, in one tree. A path has `{}` for a number."""
    files = {path.format(n): dedent(code) for n, code in enumerate(codes)}
    tree = TREE.with_files(files)
    return [(code, [str(each) for each in source_findings(tree, path)]) for path, code in files.items()]


def missed(path: str, codes: list[str], told: str) -> list[tuple[str, list[str]]]:
    """The files of which this is not told, and what is."""
    return [(code, found) for code, found in findings(path, codes) if not any(told in each for each in found)]


def told_of(path: str, codes: list[str]) -> list[tuple[str, list[str]]]:
    """The files of which anything is told, and what."""
    return [(code, found) for code, found in findings(path, codes) if found]


def said(code: str) -> list[str]:
    """What is said of endpoints, in an application that has them."""
    names: dict[str, Any] = {"__name__": "modules.tags.models"}  # One that is loaded, for pydantic.
    exec(dedent(endpoints.BEFORE) + dedent(code), names)
    app = FastAPI()
    app.router.routes += names["router"].routes
    return [sentence for look in LOOKS for _, sentence in look(cast("Any", None), app)]


class TestTheModules:
    def test_have_no_fault(self):
        """`make lint` says so too; here it is part of the suite."""
        assert [str(finding) for finding in check(ROOT)] == []

    @pytest.mark.needs("projects")
    def test_of_a_team_of_strangers_have_none(self):
        tree = TREE.with_files(files_of("comments", COMMENTS))
        assert tree.requires["comments"] == ("projects",)
        assert {*source_findings(tree)} == before()


@pytest.mark.needs("projects")
class TestAViolation:
    @pytest.mark.parametrize("name", VIOLATIONS)
    def test_is_found_where_it_is_and_told_once_with_the_way_out(self, name):
        """And what is around it is fine."""
        path, code, told = VIOLATIONS[name]
        text = TREE.files.get(path, "") + dedent(code)
        tree = TREE.with_files({path: text})
        found = [each for each in source_findings(tree, path) if each not in before()]
        line = 1 + text[: text.index("# here")].count("\n")
        assert [(finding.path, finding.line) for finding in found] == [(path, line)], found
        assert told in found[0].sentence

    @pytest.mark.parametrize("told", SPELLINGS)
    def test_is_found_in_every_spelling(self, told):
        codes = [SUMMARY + dedent(code) for code in SPELLINGS[told]]
        assert missed("modules/tags/planted_{}.py", codes, told) == []

    @pytest.mark.parametrize("told", CHANGES)
    def test_of_a_migration_is_found_in_every_spelling(self, told):
        assert missed(NEXT.replace("planted", "{}"), [upgrade(code) for code in CHANGES[told]], told) == []

    @pytest.mark.parametrize("told", DOWN)
    def test_of_a_way_down_is_found_in_every_spelling(self, told):
        assert missed(NEXT.replace("planted", "{}"), [way_down(code) for code in DOWN[told]], told) == []

    @pytest.mark.parametrize("told", ENDPOINTS)
    def test_of_an_endpoint_is_found_in_every_spelling(self, told):
        assert [said(endpoint) for endpoint in ENDPOINTS[told]] == [[told]] * len(ENDPOINTS[told])

    @pytest.mark.parametrize(
        "statement", ['op.execute("UPDATE tags SET x = {}")', 'op.execute(sa.text("UPDATE tags SET x = {}"))']
    )
    def test_is_none_to_read_a_neighbours_rows_after_its_migrations(self, statement):
        """What `trellis revision --fill` writes. Here it is the first migration of tags that depends on users."""
        code = dedent(MIGRATION).replace("def downgrade", 'down_revision = "tags_0001"\ndef downgrade', 1)
        code += f"        {statement.format('(SELECT full_name FROM users LIMIT 1)')}\n"
        assert [*source_findings(TREE.with_files({NEXT: code}), NEXT)] == []

    def test_is_not_told_where_the_line_says_that_it_is_meant(self):
        path, code, _ = VIOLATIONS["a service sleeps"]
        text = TREE.files[path] + dedent(code)
        meant, not_meant = (text.replace("# here", remark) for remark in ("# check: a demonstration", "# check:"))
        assert [*source_findings(TREE.with_files({path: meant}), path)] == []
        assert [*source_findings(TREE.with_files({path: not_meant}), path)] != []


@pytest.mark.needs("projects")
class TestOrdinaryCode:
    """Of it nothing is told, whatever its words are."""

    def test_of_modules(self):
        codes = [SUMMARY + dedent(code) for code in spellings.ORDINARY]
        assert told_of("modules/tags/planted_{}/router.py", codes) == []

    def test_of_migrations(self):
        assert told_of(NEXT.replace("planted", "{}"), [upgrade(code) for code in UPGRADES]) == []

    def test_of_endpoints(self):
        assert said(endpoints.ORDINARY) == []


@pytest.mark.needs("tags")
class TestARefusedStart:
    """What the start refuses: test_manifests.py, test_wiring.py, test_containers.py. The check tells where it is."""

    @pytest.mark.parametrize(
        ("sentence", "path", "line"),
        [
            ("Module 'tags': modules.tags.router.update does not ask who calls: …", ROUTER, "async def update("),
            ("Module 'tags' requires 'labels', which is not there.", MANIFEST, "module = Module("),
            ("Folder 'spoils' of modules/ has no manifest: module.py is missing.", "modules/spoils/module.py", None),
            ("Modules require each other in a circle: a → b → a.", "modules/__init__.py", None),
        ],
    )
    def test_is_told_with_its_place(self, sentence, path, line):
        found = refusal(TREE, ROOT, ManifestError(sentence))
        assert (found.path, found.sentence) == (path, f"The application does not start: {sentence}")
        assert line is None or line in TREE.files[path].splitlines()[found.line - 1]

    def test_is_told_of_every_document_that_shows_what_it_must_not(self, monkeypatch):
        """With the way out; the start stops at the first."""

        class Card(Document, of=User):
            password_hash: str
            email: str

        monkeypatch.setattr(Card, "__module__", "modules.tags.schemas")
        way = "Take it from the owner's Summary, or have its api publish it."
        assert [sentence for _, sentence in documents(discover())] == [
            "Card of modules.tags shows users.password_hash, which is secret. Leave it out.",
            f"Card of modules.tags shows users.email, which 'users' does not publish. {way}",
        ]


class TestTheCommand:
    @pytest.mark.needs("tags")
    def test_tells_what_only_the_assembled_application_knows(self, tmp_path):
        """One line a finding, with file, line and the way out."""
        tree = copied(tmp_path)
        drop_in(tree, "spoils", SPOILED)
        report = run(tree, "-m", "app.cli", "module", "check", "spoils")
        assert report.returncode == 1, report.stderr
        for remark, told in TOLD.items():
            path, line = next(
                (f"modules/spoils/{path}", 1 + dedent(text)[: dedent(text).index(f"# {remark}")].count("\n"))
                for path, text in SPOILED.items()
                if f"# {remark}\n" in text
            )
            assert f"{path}:{line}: {told}" in report.stdout, (remark, report.stdout)

    @pytest.mark.needs("tags")
    def test_tells_where_a_module_stops_the_start(self, tmp_path):
        """And what the source of the others tells all the same."""
        tree = copied(tmp_path)
        line = plant(tree, "modules/users/policy.py", "WRONG = nothing_of_that_name")
        other = plant(tree, "modules/tags/service.py", "from modules.users.models import User")
        report = run(tree, "-m", "app.cli", "module", "check")
        assert report.returncode == 1, report.stderr
        assert f"modules/users/policy.py:{line}: The application does not start: name 'nothing_of_that" in report.stdout
        assert f"modules/tags/service.py:{other}: modules.users.models is imported" in report.stdout

    def test_knows_its_modules(self):
        report = CliRunner().invoke(check_command, ["nobody"])
        assert (report.exit_code, report.stdout) == (2, "")
        assert "There is no module 'nobody'." in report.stderr


class TestTwoMigrationsOfOneId:
    def test_are_told(self, tmp_path):
        """As two branches of git write them, and merge without a conflict."""
        folder = tmp_path / "migrations/versions"
        copytree(ROOT / "migrations/versions", folder)
        (folder / "users/users_0002_other.py").write_text((folder / "users/users_0002_guesses.py").read_text())
        (found,) = branch_findings(Tree.at(tmp_path), tmp_path)
        assert str(found).startswith("migrations/versions/users/users_0002_guesses.py:1: users_0002 is in")
        assert "trellis revision users --renumber" in found.sentence
