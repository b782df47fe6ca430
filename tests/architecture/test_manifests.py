"""How modules are found and ordered, and the sentence that stops the start when they do not fit together."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from dependency_injector.containers import DeclarativeContainer
from fastapi import APIRouter

from shared.manifest import ManifestError, Module, discover, ordered
from tests.architecture import trees

MANIFEST = """
from dependency_injector.containers import DeclarativeContainer
from fastapi import APIRouter
from shared.events import Event
from shared.manifest import Module

{before}
module = Module(name={name!r}, container={container}, router=APIRouter(), {arguments})
"""

Package = Callable[..., str]

EVENT = "class Done(Event): pass"
HANDLED = "from ..a.module import Done"
PUBLISHER = MANIFEST.format(name="a", arguments="publishes=(Done,)", before=EVENT, container="DeclarativeContainer")
CONTAINER = """
from dependency_injector import providers
from shared.writes import Repository
from ..a.module import Done

class Notes(Repository): pass
class Others(Repository): pass
class Service:
    async def take(self, event): pass
class Stranger:
    async def take(self, event): pass
class Container(DeclarativeContainer):
    repository = providers.Singleton(Notes)
    service = providers.Factory(Service)
"""

SERVE_IN_PROCESS = """
import asyncio, json, secrets
from app.asgi import create_app
from app.container import compose
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import anonymous

settings = Settings(DATABASE_URL="postgresql://nowhere/none", environment="development", secret=secrets.token_hex())
modules = discover()
app = create_app(compose(settings, modules))

async def ask():
    async with anonymous(app) as client:
        return (await client.get("/notes")).json()

answer = {"modules": [module.name for module in modules], "notes": asyncio.run(ask())}
print(json.dumps(answer | {"documented": "/api/v1/notes" in app.openapi()["paths"]}))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Makes a package of modules: `package(a="requires=('b',)", b="")`; a value is what its manifest says, None for
    a folder that has none, or the source of its module.py when it is one of several lines."""
    name = f"planted_{uuid4().hex}"
    monkeypatch.syspath_prepend(tmp_path)

    def make(**modules: str | None) -> str:
        _write(tmp_path / name)
        for module, content in modules.items():
            folder = _write(tmp_path / name / module)
            if content is not None:
                source = content if "\n" in content else manifest(module, content)
                (folder / "module.py").write_text(source)
        return name

    yield make
    for imported in [loaded for loaded in sys.modules if loaded.startswith(name)]:
        del sys.modules[imported]


def manifest(name: str, arguments: str = "", before: str = "", container: str = "DeclarativeContainer") -> str:
    """The source of a manifest."""
    return MANIFEST.format(name=name, arguments=arguments, before=before, container=container)


def module(name: str, *requires: str) -> Module:
    """A manifest."""
    return Module(name=name, container=DeclarativeContainer, router=APIRouter(), requires=requires)


def refusal(package: str) -> str:
    """The sentence that discovery stops with."""
    with pytest.raises(ManifestError) as raised:
        discover(package)
    return str(raised.value)


class TestDiscovery:
    def test_finds_the_modules_each_after_those_it_requires(self):
        """The start order of this application."""
        names = [found.name for found in discover()]
        assert names[0] == "users"
        assert all(names.index(other) < names.index(found.name) for found in discover() for other in found.requires)

    def test_follows_requirements_and_not_the_alphabet(self, package):
        """The folders are read in alphabetical order."""
        name = package(a="requires=('b',)", b="requires=('c',)", c="")
        assert [found.name for found in discover(name)] == ["c", "b", "a"]

    def test_is_alphabetical_where_that_leaves_a_choice(self):
        """Whatever order the folders come in, the start order is the same."""
        assert [found.name for found in ordered([module("c"), module("a"), module("b")])] == ["a", "b", "c"]

    def test_is_alphabetical_also_among_what_is_required(self):
        """`b` needs nothing and so comes before `z`, which only `a` wants earlier."""
        assert [found.name for found in ordered([module("a", "z"), module("b"), module("z")])] == ["b", "z", "a"]

    def test_leaves_single_files_alone(self, package, tmp_path):
        """Only a folder is a module."""
        name = package(a="")
        (tmp_path / name / "notes.py").write_text("")
        assert [found.name for found in discover(name)] == ["a"]

    @pytest.mark.parametrize("left", ["__pycache__", "tests/__pycache__"])
    def test_leaves_a_folder_without_source_alone(self, package, tmp_path, left):
        """After switching a branch, git leaves what was compiled of a module that this one does not have."""
        name = package(a="")
        compiled = tmp_path / name / "gone" / left
        compiled.mkdir(parents=True)
        (compiled / "module.cpython-311.pyc").write_bytes(b"")
        assert [found.name for found in discover(name)] == ["a"]

    def test_accepts_an_event_that_a_required_module_publishes(self, package):
        """The counterpart of the refusal."""
        handles = "requires=('a',), resources=(Notes,), handles={Done: Service.take}"
        name = package(a=PUBLISHER, b=manifest("b", handles, CONTAINER, "Container"))
        assert [found.name for found in discover(name)] == ["a", "b"]

    def test_finds_a_module_that_was_dropped_in_and_serves_it(self, tmp_path):
        """Adding a module edits no file that is there."""
        tree = trees.copied(tmp_path)
        trees.drop_in(tree, "notes", trees.NOTES)
        answer = trees.run(tree, "-W", "error", "-c", SERVE_IN_PROCESS)
        assert answer.returncode == 0, answer.stderr
        told = json.loads(answer.stdout)
        assert set(told["modules"]) == {module.name for module in discover()} | {"notes"}
        assert told["modules"].index("users") < told["modules"].index("notes")
        assert (told["notes"], told["documented"]) == ("UsersApi", True)


class TestAForgottenInit:
    def test_does_not_make_a_module_vanish_in_silence(self, package, tmp_path):
        """Python takes such a folder for a namespace package."""
        name = package(a=manifest("a"))
        (tmp_path / name / "a" / "__init__.py").unlink()
        assert [module.name for module in discover(name)] == ["a"]


class TestRefusals:
    def test_of_a_missing_requirement(self, package):
        """It names who wants what."""
        assert refusal(package(a="requires=('b',)")) == "Module 'a' requires 'b', which is not there."

    def test_of_a_circle(self, package):
        """It names everyone in it."""
        name = package(a="requires=('b',)", b="requires=('a',)")
        assert refusal(name) in {
            f"Modules require each other in a circle: {way}." for way in ("a → b → a", "b → a → b")
        }

    def test_of_a_circle_in_the_direction_of_the_requirements(self):
        """The arrow reads as `requires`."""
        with pytest.raises(ManifestError, match=r"a → b → c → a|b → c → a → b|c → a → b → c"):
            ordered([module("a", "b"), module("b", "c"), module("c", "a")])

    def test_of_a_module_that_requires_itself(self):
        """The smallest circle."""
        with pytest.raises(ManifestError, match=r"^Modules require each other in a circle: a → a\.$"):
            ordered([module("a", "a")])

    def test_of_a_folder_without_a_manifest(self, package):
        """It names the folder and the file."""
        name = package(a=None)
        assert refusal(name) == f"Folder 'a' of {name}/ has no manifest: module.py is missing."

    def test_of_a_manifest_that_calls_itself_otherwise(self, package):
        """A copied folder whose manifest was not adapted."""
        name = package(a=manifest("b"))
        assert refusal(name) == "The manifest in folder 'a' calls itself 'b'."

    @pytest.mark.parametrize("content", ["\n", "module = None\n", "def module():\n    pass\n"])
    def test_of_a_manifest_that_says_nothing(self, package, content):
        """There is a module.py, but no `Module` in it."""
        name = package(a=content)
        assert refusal(name) == f"{name}.a.module defines no `module`."

    def test_of_an_event_that_no_required_module_publishes(self, package):
        """It is published, but by a module that the handler's does not require."""
        name = package(a=PUBLISHER, b=manifest("b", "handles={Done: None}", HANDLED))
        assert refusal(name) == "Module 'b' handles Done, which no required module publishes."

    def test_of_an_event_that_nobody_publishes(self, package):
        """It is required, but its manifest does not publish."""
        name = package(a=manifest("a", before=EVENT), b=manifest("b", "requires=('a',), handles={Done: None}", HANDLED))
        assert refusal(name) == "Module 'b' handles Done, which no required module publishes."

    @pytest.mark.parametrize("handler", ["Stranger.take", "Notes.held", "None"])
    def test_of_a_handler_that_is_no_method_of_what_the_container_makes(self, package, handler):
        handles = f"requires=('a',), resources=(Notes,), handles={{Done: {handler}}}"
        before = CONTAINER.replace("class Notes(Repository): pass", "class Notes(Repository):\n    held = str.lower")
        name = package(a=PUBLISHER, b=manifest("b", handles, before, "Container"))
        told = {"Stranger.take": "take", "Notes.held": "lower"}.get(handler, handler)
        assert refusal(name) == (
            f"Module 'b' handles Done by {told}, which is no method of what its container makes: name one that is."
        )

    def test_of_a_handler_where_the_container_makes_nothing(self, package):
        name = package(a=PUBLISHER, b=manifest("b", "requires=('a',), handles={Done: Service.take}", CONTAINER))
        assert "Module 'b' handles Done by take, which is no method" in refusal(name)

    @pytest.mark.parametrize("resources", ["", "resources=(Others,)"])
    def test_of_a_repository_that_is_not_among_the_resources(self, package, resources):
        """Its changes would be in no feed."""
        name = package(a=PUBLISHER, b=manifest("b", f"requires=('a',), {resources}", CONTAINER, "Container"))
        assert refusal(name) == (
            "Module 'b': its container makes Notes as 'repository', which is not among its resources: add it, so that "
            "the kernel tells of its changes."
        )

    def test_is_not_made_of_an_import_that_fails_inside_of_a_manifest(self, package):
        """Something else is missing than module.py: that error stays what it is."""
        name = package(a="import a_library_that_is_not_installed\n")
        with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_installed"):
            discover(name)


def _write(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    return folder
