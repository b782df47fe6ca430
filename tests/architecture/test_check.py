"""`trellis module check`: that it sees what modules must not do, and nothing in those that are as they should be."""

import posixpath
from textwrap import dedent

import pytest

from app.development.checking import Tree, check, source_findings
from app.development.checking.assembled import documents, refusal
from modules.users.models import User
from shared.manifest import ManifestError, discover
from shared.reads import Document
from tests.architecture.comments import COMMENTS
from tests.architecture.spoiled import SPOILED, TOLD
from tests.architecture.trees import ROOT, copied, drop_in, plant, run
from tests.architecture.violations import VIOLATIONS
from tests.architecture.violations.migrations import MIGRATION, NEXT

TREE = Tree.at(ROOT)
BEFORE = {*source_findings(TREE)}
"""None, as the first test says; if there are some, the others are about what comes to them."""
ROUTER, MANIFEST = "modules/tags/router.py", "modules/tags/module.py"


def files_of(name: str, files: dict[str, str]) -> dict[str, str]:
    """The files of a module that is dropped in, by their paths in the tree."""
    return {posixpath.normpath(f"modules/{name}/{path}"): dedent(content) for path, content in files.items()}


class TestTheModules:
    def test_have_no_fault(self):
        """`make lint` says so too; here it is part of the suite."""
        assert [str(finding) for finding in check(ROOT)] == []

    @pytest.mark.needs("projects")
    def test_of_a_team_of_strangers_have_none(self):
        tree = TREE.with_files(files_of("comments", COMMENTS))
        assert tree.requires["comments"] == ("projects",)
        assert {*source_findings(tree)} == BEFORE


@pytest.mark.needs("projects")
class TestAViolation:
    @pytest.mark.parametrize("name", VIOLATIONS)
    def test_is_found_where_it_is_and_told_once_with_the_way_out(self, name):
        """And what is around it is fine."""
        path, code, told = VIOLATIONS[name]
        text = TREE.files.get(path, "") + dedent(code)
        found = [each for each in source_findings(TREE.with_files({path: text})) if each not in BEFORE]
        line = 1 + text[: text.index("# here")].count("\n")
        assert [(finding.path, finding.line) for finding in found] == [(path, line)], found
        assert told in found[0].sentence

    @pytest.mark.parametrize(
        "statement", ['op.execute("UPDATE tags SET x = {}")', 'op.execute(sa.text("UPDATE tags SET x = {}"))']
    )
    def test_is_none_to_read_a_neighbours_rows_after_its_migrations(self, statement):
        """What `trellis revision --fill` writes. Here it is the first migration of tags that depends on users."""
        code = dedent(MIGRATION).replace("def downgrade", 'down_revision = "tags_0001"\ndef downgrade', 1)
        code += f"        {statement.format('(SELECT full_name FROM users LIMIT 1)')}\n"
        assert {*source_findings(TREE.with_files({NEXT: code}))} == BEFORE

    def test_is_not_told_where_the_line_says_that_it_is_meant(self):
        path, code, _ = VIOLATIONS["a service sleeps"]
        text = TREE.files[path] + dedent(code)
        meant, not_meant = (text.replace("# here", remark) for remark in ("# check: a demonstration", "# check:"))
        assert {*source_findings(TREE.with_files({path: meant}))} == BEFORE
        assert {*source_findings(TREE.with_files({path: not_meant}))} > BEFORE


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

    def test_tells_of_two_migrations_of_one_id(self, tmp_path):
        """As two branches of git write them, and merge without a conflict."""
        tree = copied(tmp_path)
        folder = tree / "migrations/versions/users"
        (folder / "users_0002_other.py").write_text((folder / "users_0002_guesses.py").read_text())
        report = run(tree, "-m", "app.cli", "module", "check", "users")
        told = "migrations/versions/users/users_0002_guesses.py:1: users_0002 is in"
        assert (report.returncode, report.stdout.startswith(told)) == (1, True), report.stdout
        assert "trellis revision users --renumber" in report.stdout

    def test_knows_its_modules(self):
        report = run(ROOT, "-m", "app.cli", "module", "check", "nobody")
        assert (report.returncode, report.stdout) == (2, "")
        assert "There is no module 'nobody'." in report.stderr
