"""Copies of the source tree, in which tests may break things, and interpreters that see such a copy alone."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent

from shared.manifest import discover

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"
_SCRIPTS = Path(sysconfig.get_path("scripts"))

NOTES = {
    "__init__.py": "",
    "models.py": """
        from uuid import UUID

        from sqlmodel import Field

        from shared.rows.models import Identified, Model, Versioned


        class Note(Model, Versioned, Identified, table=True):
            __tablename__ = "notes"

            owner_id: UUID = Field(foreign_key="users.id", index=True)
            text: str = Field(max_length=100)
    """,
    "service.py": """
        from modules.users.api import UsersApi


        class NoteService:
            def __init__(self, users: UsersApi) -> None:
                self.users = users
    """,
    "container.py": """
        from dependency_injector import containers, providers

        from modules.notes.service import NoteService
        from shared.http.routes.routing import resource_router


        class NotesContainer(containers.DeclarativeContainer):
            kernel = providers.DependenciesContainer()
            users = providers.Dependency()
            service = providers.Factory(NoteService, users)
    """,
    "router.py": """
        from typing import Annotated

        from dependency_injector.wiring import Provide

        from modules.notes.container import NotesContainer
        from modules.notes.service import NoteService
        from shared.http.routes import operation, resource_router

        router = resource_router("/notes")


        @router.get("")
        @operation(public=True)
        async def show(service: Annotated[NoteService, Provide[NotesContainer.service]]) -> str:
            return type(service.users).__name__
    """,
    "module.py": """
        from modules.notes import models as models
        from modules.notes.container import NotesContainer
        from modules.notes.router import router
        from shared.manifest import Module

        module = Module(name="notes", requires=("users",), container=NotesContainer, router=router)
    """,
}
"""A fourth module, as a team would drop it in."""


def copied(folder: Path, *modules: str) -> Path:
    """A copy of the tree: with every module, or with these alone, and the support files of the tests."""
    tree = folder / "tree"
    # `make clients` makes the first two. What is compiled comes along, but for what is just being written.
    made = shutil.ignore_patterns("node_modules", "generated", "*.pyc.*")
    for name in ("app", "shared", "modules", "migrations", "tests", "docs"):
        shutil.copytree(ROOT / name, tree / name, ignore=made)
    for name in ("conftest.py", "alembic.ini", "CHANGELOG.md", PYPROJECT.name):
        shutil.copy(ROOT / name, tree)
    if modules:
        _keep(tree / "modules", modules)
        _keep(tree / "migrations" / "versions", {*modules, "kernel"})
    return tree


def drop_in(tree: Path, name: str, files: dict[str, str]) -> None:
    """Add a module, touching no file that is there."""
    folder = tree / "modules" / name
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(dedent(content))


def plant(tree: Path, path: str, line: str) -> int:
    """Write a line at the end of a file, which may be new. Its number."""
    file = tree / path
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}{line}\n")
    return before.count("\n") + 1


def run(tree: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a tree. What it imports of ours is the tree's, and never the installed project."""
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=tree,
        env=environment(tree) | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def environment(tree: Path) -> dict[str, str]:
    """For an interpreter with -S, which leaves out the `.pth` files of site-packages, and with them an editable install
    of this project.
    """
    path = os.pathsep.join([str(tree), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    return os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def closure(names: Iterable[str]) -> frozenset[str]:
    """The modules and all that they require."""
    by_name = {module.name: module for module in discover()}
    waiting, found = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += by_name[name].requires
    return frozenset(found)


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run `lint-imports`."""
    return run(tree, str(_SCRIPTS / "lint-imports"), "--no-cache", "--no-logo", COLUMNS="400")


def _keep(folder: Path, names: tuple[str, ...] | set[str]) -> None:
    for child in folder.iterdir():
        if child.is_dir() and child.name not in names:
            shutil.rmtree(child)
