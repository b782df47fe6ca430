"""What a file of tests imports, itself and through others: which tests a change reaches, which modules they need."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from app.development.checking.sources import Source, last, parsed, text_of

FOLDERS = ("app", "modules", "shared", "migrations", "tests", "benchmarks")
FOR_ALL = ("app/", "shared/", "conftest.py", "pyproject.toml", "alembic.ini", "requirements/")
"""What every test goes through."""


class Imports:
    """The imports between the files of a tree, by their paths in it."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._reached: dict[str, frozenset[str]] = {}
        self.modules = {path.split("/")[1] for path in files if path.startswith("modules/") and path.count("/") > 1}

    @classmethod
    def of(cls, root: Path) -> "Imports":
        """Those of the tree in a folder."""
        paths = [root / "conftest.py", *(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))]
        return cls({path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths})

    @cached_property
    def tests(self) -> list[str]:
        """The files with tests."""
        return sorted(path for path in self._files if "tests/" in path and path.rpartition("/")[2].startswith("test_"))

    def reached_from(self, path: str) -> frozenset[str]:
        """The file, and all that it imports, but for what app and shared import among themselves."""
        if path not in self._reached:
            self._reached[path] = frozenset(self._followed(path, self._imported))
        return self._reached[path]

    def missing(self, path: str) -> set[str]:
        """The modules that are not there, and without which the file cannot be imported."""
        files = self._followed(path, self._imported_at_once)
        names = (name.split(".") for file in files for name in self._imported_at_once(file))
        return {parts[1] for parts in names if parts[0] == "modules" and parts[1]} - self.modules

    def reaching(self, changed: Collection[str]) -> list[str]:
        """The tests that a change of these files can reach."""
        if any(path.startswith(FOR_ALL) for path in changed):
            return self.tests
        return [path for path in self.tests if any(self._reaches(path, each) for each in changed)]

    def _reaches(self, test: str, changed: str) -> bool:
        reached = self.reached_from(test)
        if changed in reached:
            return True
        parts = changed.split("/")
        if parts[0] == "modules" and len(parts) > 2 and parts[2] != "tests":
            return self._is_about(test, parts[1])
        if parts[:2] == ["migrations", "versions"] and len(parts) > 3:
            return test.startswith("tests/migrations/") or self._is_about(test, parts[2])
        if parts[-1].endswith(".py"):
            return False
        own = (file for file in reached if file.startswith("tests/"))  # A document, say, which tests read by its name.
        return any(parts[-1] in text for file in own for _, text in self._source(file).texts)

    def _is_about(self, test: str, module: str) -> bool:
        """Whether a test imports something of a module, says that it needs it, or asks for all that there are."""
        reached = self.reached_from(test)
        own = [file for file in reached if not file.startswith(("app/", "shared/", "modules/"))]
        asks_for_all = any(last(name) == "discover" for file in own for name in self._imported(file))
        return asks_for_all or module in self._needed(test) or any(f.startswith(f"modules/{module}/") for f in reached)

    def _needed(self, test: str) -> set[str]:
        """What the marks of its tests name: `pytest.mark.needs("projects")`."""
        marks = (call for call, name in self._source(test).calls() if name == "pytest.mark.needs")
        return {text for call in marks for node in call.args if (text := text_of(node))}

    def _followed(self, path: str, imported: Callable[[str], list[str]]) -> set[str]:
        waiting, found = [path], set[str]()
        while waiting:
            if (file := waiting.pop()) in found:
                continue
            found.add(file)
            if not file.startswith(("app/", "shared/")):
                waiting += [each for name in imported(file) for each in self._files_of(name)]
        return found

    def _imported(self, file: str) -> list[str]:
        """The dotted names that a file imports."""
        return [f"{module}.{name}" for _, module, name in self._source(file).imports]

    def _imported_at_once(self, file: str) -> list[str]:
        """Those that it imports when it is imported itself, and not later in a function."""
        source = self._source(file)
        return [f"{module}.{name}" for node, module, name in source.imports if node in source.tree.body]

    def _files_of(self, name: str) -> Iterator[str]:
        path = name.strip(".").replace(".", "/")
        for part in (path, path.rpartition("/")[0]):
            yield from (file for file in (f"{part}.py", f"{part}/__init__.py") if file in self._files)

    def _source(self, file: str) -> Source:
        return parsed(file, self._files[file])
