"""The locks: whole, closed, and bound to no index."""

import re
import sysconfig
import tomllib
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.install.locks import DEVELOPMENT, LOCKS, RUNTIME, pins, requires
from tests.servers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ASKED = {
    RUNTIME: [*PROJECT["dependencies"], *EXTRAS["build"]],
    DEVELOPMENT: [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)],
}
PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
PLATFORMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}


def lacking(asked, locked, **environment):
    """What is asked for, straight or by what is asked for, and not locked in a version that will do."""
    waiting = [(Requirement(line), "") for line in asked]
    seen, found = set(), set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({**environment, "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        pin = locked.get(name)
        if pin is None or not pin.applies(**environment) or not requirement.specifier.contains(pin.version):
            found.add(str(requirement))
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(needed, extra) for needed in requires(name)]
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
class TestEachLock:
    def test_pins_a_version_and_its_hashes_and_says_nothing_else(self, lock):
        """No address of an index above all: that is the business of who installs."""
        pinned = r"[a-z0-9-]+==[^\s*]+( ; [^\\@]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
        assert re.sub(pinned, "", lock.read_text()) == ""


class TestTheLocksOfTheApplication:
    @pytest.mark.parametrize("lock", ASKED, ids=lambda lock: lock.stem)
    @pytest.mark.parametrize("python", PYTHONS)
    @pytest.mark.parametrize("platform", PLATFORMS)
    def test_name_all_that_anything_in_them_asks_for(self, lock, python, platform):
        environment = {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "sys_platform": platform,
            "platform_system": PLATFORMS[platform],
        }
        assert lacking(ASKED[lock], pins(lock), **environment) == set()

    def test_that_lacked_something_would_be_told(self):
        """Also what is asked for by an extra alone, and a version that will not do."""
        locked = pins(RUNTIME)
        del locked["greenlet"], locked["typing-inspection"]
        told = lacking(["sqlalchemy[asyncio]", "pydantic>=99"], locked)
        assert {Requirement(line).name for line in told} == {"greenlet", "pydantic", "typing-inspection"}

    def test_agree_where_both_name_something(self):
        runtime, development = pins(RUNTIME), pins(DEVELOPMENT)
        assert runtime.items() <= development.items()

    def test_are_what_is_installed(self):
        here = distributions(path=[sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
        installed = {canonicalize_name(found.name): found.version for found in here}
        locked = {pin.name: pin.version for pin in pins(DEVELOPMENT).values() if pin.applies()}
        assert locked.items() <= installed.items()
