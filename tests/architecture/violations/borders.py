"""The borders between modules, rooms and layers."""

from tests.architecture.violations.violation import TAGS, Violation

BORDERS = {
    "the inside of a neighbour is imported": Violation(
        f"{TAGS}service.py",
        "from modules.users.repository import UserRepository  # here",
        "modules.users.repository is imported: take what it needs from modules.users.api, or have that offer it.",
    ),
    "a neighbour is imported that the manifest does not require": Violation(
        f"{TAGS}planted.py",
        "import modules.projects.api  # here",
        "modules.projects.api is imported: name 'projects' in `requires` of modules/tags/module.py, or do without.",
    ),
    "a neighbour is imported inside of a function": Violation(
        f"{TAGS}service.py",
        """
        def late():
            from modules.users import models  # here
            return models
        """,
        "modules.users.models is imported: take what it needs from modules.users.api",
    ),
    "a neighbour is imported by a relative name": Violation(
        f"{TAGS}planted.py", "from ..users.service import UserService  # here", "modules.users.service is imported"
    ),
    "the kernel imports a module": Violation(
        "shared/planted.py",
        "import modules.tags.api  # here",
        "outside of modules/ no module is known by name, so take it from the manifests.",
    ),
    "the application imports a module": Violation(
        "app/planted.py", "from modules.tags.api import TagsApi  # here", "so take it from the manifests."
    ),
    "the inside of a room of the kernel is imported": Violation(
        f"{TAGS}service.py",
        "from shared.reads.listing import Page  # here",
        "shared.reads.listing is imported: import from shared.reads, its face.",
    ),
    "the composition root is imported": Violation(
        f"{TAGS}planted.py", "from app.container import compose  # here", "Nothing imports the composition root"
    ),
    "a service speaks HTTP": Violation(
        f"{TAGS}service.py",
        "from fastapi import HTTPException  # here",
        "Only routers speak HTTP: raise a domain error, and let the kernel translate it.",
    ),
    "a service in a package of its module speaks HTTP": Violation(
        f"{TAGS}planted/service.py", "from fastapi import Request  # here", "Only routers speak HTTP"
    ),
    "a service speaks the kernel's HTTP": Violation(
        f"{TAGS}service.py", "from shared.http.edge import problem  # here", "Only routers speak HTTP"
    ),
    "a repository knows injection": Violation(
        f"{TAGS}repository.py",
        "from dependency_injector.wiring import inject  # here",
        "Take what is needed as an argument of the constructor; the module's container passes it.",
    ),
    "the application imports tests": Violation(
        f"{TAGS}service.py",
        "import modules.tags.tests.factories  # here",
        "move what the application needs out of the tests.",
    ),
    "tests import the tests of a neighbour, beside its factories": Violation(
        f"{TAGS}tests/test_planted.py",
        "from modules.users.tests.test_password import NEW  # here",
        "take what it needs from modules.users.api",
    ),
    "tests import the repository of a neighbour": Violation(
        f"{TAGS}tests/test_planted.py",
        "from modules.users.repository import UserRepository  # here",
        "take what it needs from modules.users.api",
    ),
    "a neighbour is imported by importlib": Violation(
        f"{TAGS}service.py",
        """
        import importlib
        users = importlib.import_module("modules.users.models")  # here
        """,
        "importlib.import_module is used: import it at the top of the file, as `requires` allows",
    ),
    "a neighbour is imported by importlib under another name": Violation(
        f"{TAGS}service.py",
        """
        from importlib import import_module as load
        users = load("modules.users.models")  # here
        """,
        "importlib.import_module is used",
    ),
    "a neighbour is imported by __import__": Violation(
        f"{TAGS}service.py", "users = __import__('modules.users.models')  # here", "__import__ is used"
    ),
    "a neighbour is looked up among what is loaded": Violation(
        f"{TAGS}service.py",
        """
        import sys
        users = sys.modules["modules.users.models"]  # here
        """,
        "sys.modules is used",
    ),
    "a file is no Python": Violation(f"{TAGS}planted.py", "def  # here", "Python does not read it"),
}
