"""Migrations that two branches of git wrote side by side: found without a database, and mended."""

import os
import subprocess
from pathlib import Path

import pytest

from app.migrations import MigrationError, faults, upgrade, upgrading
from app.migrations.branches import VERSIONS, revisions
from app.migrations.renumbering import renumber

FILE = '''"""{}."""

revision = "{}"
down_revision = {}
branch_labels = None
depends_on = {}


def upgrade() -> None:
    pass
'''


class Repository:
    """A git repository with the migrations of some modules."""

    def __init__(self, folder: Path) -> None:
        self.versions = folder / "migrations" / "versions"
        self.seconds = 1_800_000_000
        self.versions.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str | Path) -> None:
        """Each call is a minute after the one before."""
        self.seconds += 60
        who = {
            f"GIT_{role}_{part}": "team@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
        }
        when = {f"GIT_{role}_DATE": f"{self.seconds} +0000" for role in ("AUTHOR", "COMMITTER")}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        subprocess.run(
            ["git", *arguments], cwd=self.versions, check=True, capture_output=True, env=os.environ | who | when | alone
        )

    def write(self, name: str, down: str | None, *depends_on: str) -> None:
        """A migration."""
        module, number, _ = name.split("_", 2)
        (self.versions / module).mkdir(exist_ok=True)
        text = FILE.format(name, f"{module}_{number}", f'"{down}"' if down else None, [*depends_on] or None)
        (self.versions / module / f"{name}.py").write_text(text)

    def commit(self, *names: str) -> None:
        """What was written."""
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", " ".join(names) or "work")

    def chain(self, module: str) -> list[tuple[str, str, str | None]]:
        """The file, the id and the predecessor of each migration of a module."""
        return [(one.path.stem, one.id, one.follows) for one in revisions(self.versions) if one.module == module]


@pytest.fixture
def repository(tmp_path) -> Repository:
    """With a migration of tasks and one of users."""
    repository = Repository(tmp_path)
    repository.write("users_0001_tables", None)
    repository.write("tasks_0001_tables", None, "users_0001")
    repository.commit()
    return repository


def two_branches(repository: Repository) -> None:
    """`mine` and `main` have each a second migration of tasks; mine was committed first, and has a third one, too."""
    repository.git("checkout", "--quiet", "-b", "mine")
    repository.write("tasks_0002_zeal", "tasks_0001")
    repository.write("tasks_0003_more_zeal", "tasks_0002")
    repository.write("comments_0001_tables", None, "tasks_0002")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("tasks_0002_colour", "tasks_0001")
    repository.write("reports_0001_tables", None, "tasks_0002")
    repository.commit()


MEND = "Two branches of git wrote them: trellis revision tasks --renumber"
MENDED = [
    ("tasks_0001_tables", "tasks_0001", None),
    ("tasks_0002_colour", "tasks_0002", "tasks_0001"),
    ("tasks_0003_zeal", "tasks_0003", "tasks_0002"),
    ("tasks_0004_more_zeal", "tasks_0004", "tasks_0003"),
]
OTHERWISE = [
    ("tasks_0001_tables", "tasks_0001", None),
    ("tasks_0002_zeal", "tasks_0002", "tasks_0001"),
    ("tasks_0003_more_zeal", "tasks_0003", "tasks_0002"),
    ("tasks_0004_colour", "tasks_0004", "tasks_0003"),
]


class TestFaults:
    def test_are_none_in_this_house(self):
        assert faults() == []
        assert len(revisions()) == len(list(VERSIONS.rglob("*_0*.py")))

    def test_are_one_id_in_two_files(self, repository):
        """git merges them without a conflict, and Alembic loses one."""
        two_branches(repository)
        repository.git("merge", "--quiet", "mine")
        assert faults(repository.versions) == [
            f"tasks_0002 is in tasks/tasks_0002_colour.py and tasks/tasks_0002_zeal.py, and one would be lost. {MEND}"
        ]

    def test_are_a_branch_that_forks(self, repository):
        repository.write("tasks_0002_colour", "tasks_0001")
        repository.write("tasks_0003_zeal", "tasks_0001")
        assert faults(repository.versions) == [f"tasks_0002 and tasks_0003 both follow tasks_0001. {MEND}"]

    def test_are_two_beginnings_of_a_branch(self, repository):
        repository.write("tasks_0002_colour", None)
        assert faults(repository.versions) == [f"tasks_0001 and tasks_0002 both begin the branch. {MEND}"]

    def test_are_links_that_lead_nowhere(self, repository):
        repository.write("tasks_0003_zeal", "tasks_0002", "users_0009")
        assert faults(repository.versions) == [
            "tasks/tasks_0003_zeal.py comes after tasks_0002, which is not there.",
            "tasks/tasks_0003_zeal.py comes after users_0009, which is not there.",
        ]

    def test_stop_a_migration(self, monkeypatch):
        """Before it connects."""
        monkeypatch.setattr(upgrading, "faults", lambda: ["tasks_0002 is in two files."])
        with pytest.raises(MigrationError, match=r"^tasks_0002 is in two files\.$"):
            upgrade("postgresql://127.0.0.1:1/nowhere")


class TestRenumbering:
    def test_moves_what_the_main_branch_has_not(self, repository):
        """Others have that one in their databases, whichever was written first."""
        two_branches(repository)
        repository.git("checkout", "--quiet", "mine")
        repository.git("merge", "--quiet", "main")
        assert renumber("tasks", repository.versions) == {
            "tasks_0002_zeal.py": "tasks_0003_zeal.py",
            "tasks_0003_more_zeal.py": "tasks_0004_more_zeal.py",
        }
        assert repository.chain("tasks") == MENDED
        assert faults(repository.versions) == []

    def test_moves_what_came_to_the_main_branch_later(self, repository):
        """Not what was committed later: that may have waited in a branch."""
        two_branches(repository)
        repository.git("merge", "--quiet", "--no-ff", "mine")
        renumber("tasks", repository.versions)
        assert repository.chain("tasks") == MENDED

    def test_moves_what_others_cannot_have_got(self, repository, tmp_path):
        """A main branch that was not pushed is younger than the one that was."""
        two_branches(repository)
        repository.git("clone", "--quiet", "--bare", repository.versions, tmp_path / "origin")
        repository.git("remote", "add", "origin", tmp_path / "origin")
        repository.git("fetch", "--quiet", "origin")
        repository.git("checkout", "--quiet", "-B", "main", "mine")
        repository.git("merge", "--quiet", "origin/main")
        renumber("tasks", repository.versions)
        assert repository.chain("tasks") == MENDED

    def test_moves_what_was_committed_later_where_neither_is_on_the_main_branch(self, repository):
        two_branches(repository)
        repository.git("branch", "--move", "main", "other")
        repository.git("merge", "--quiet", "mine")
        renumber("tasks", repository.versions)
        assert repository.chain("tasks") == OTHERWISE

    def test_moves_what_is_not_committed(self, repository):
        repository.write("tasks_0002_colour", "tasks_0001")
        repository.commit()
        repository.write("tasks_0002_a_colour", "tasks_0001")
        renumber("tasks", repository.versions)
        assert [file for file, *_ in repository.chain("tasks")][1:] == ["tasks_0002_colour", "tasks_0003_a_colour"]

    def test_takes_along_who_depends_on_it(self, repository):
        """Each file means the one that was there when it was written."""
        two_branches(repository)
        repository.git("checkout", "--quiet", "mine")
        repository.git("merge", "--quiet", "main")
        renumber("tasks", repository.versions)
        depends_on = {one.module: one.depends_on for one in revisions(repository.versions) if one.number == 1}
        assert depends_on == {
            "users": [],
            "tasks": ["users_0001"],
            "comments": ["tasks_0003"],
            "reports": ["tasks_0002"],
        }

    def test_joins_a_branch_that_forks(self, repository):
        repository.write("tasks_0002_colour", "tasks_0001")
        repository.write("tasks_0003_zeal", "tasks_0001")
        renumber("tasks", repository.versions)
        assert [follows for *_, follows in repository.chain("tasks")] == [None, "tasks_0001", "tasks_0002"]

    def test_leaves_what_is_in_order_as_it_is(self, repository):
        before = {path: path.read_text() for path in repository.versions.rglob("*.py")}
        assert renumber("tasks", repository.versions) == {}
        assert {path: path.read_text() for path in repository.versions.rglob("*.py")} == before

    def test_works_without_git(self, tmp_path, repository, monkeypatch):
        """By the times of the files."""
        monkeypatch.setenv("PATH", str(tmp_path))
        for age, name in ((2, "tasks_0002_colour"), (1, "tasks_0002_a_colour")):
            repository.write(name, "tasks_0001")
            os.utime(repository.versions / "tasks" / f"{name}.py", (9 - age, 9 - age))
        renumber("tasks", repository.versions)
        assert faults(repository.versions) == []
        assert [file for file, *_ in repository.chain("tasks")][1:] == ["tasks_0002_colour", "tasks_0003_a_colour"]
