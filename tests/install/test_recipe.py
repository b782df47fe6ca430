"""The recipes that install: exactly what is locked, whatever has come out since."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.install.locks import Pin, pins
from tests.patience import PATIENCE
from tests.servers import ROOT

RECIPES = {
    ".venv/installed": "requirements/development.txt",
    ".venv-bench/locked": "benchmarks/requirements.txt",
    ".venv-clients/locked": "tests/clients/requirements.txt",
    ".venv-lock/locked": "requirements/locking.txt",
}
"""What the Makefile makes, and the lock that is made of."""

BACKEND = """
import tomllib
from pathlib import Path
from zipfile import ZipFile


def build_editable(folder, settings=None, metadata=None):
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {line}" for line in project["dependencies"]]
    stem = f"{project['name']}-{project['version']}"
    with ZipFile(Path(folder, f"{stem}-py3-none-any.whl"), "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", "\\n".join(lines))
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return f"{stem}-py3-none-any.whl"
"""
"""What stands for setuptools: it builds the project, with nothing in it but what it requires."""


def asked_by(pin: Pin, neighbour: Pin) -> list[str]:
    """What a distribution requires; where it is not installed here, an extra of a neighbour."""
    try:
        told = metadata(pin.name)
    except PackageNotFoundError:
        return [f"Requires-Dist: {neighbour.name}[all]>={neighbour.version}"]
    names = ("Provides-Extra", "Requires-Dist")
    return [f"{name}: {value}" for name in names for value in told.get_all(name) or ()]


def wheel(index: Path, name: str, version: str, asked: list[str]) -> str:
    """Put a tiny distribution into the index. The hash of its wheel."""
    stem = f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Provides-Extra: all", *asked]
    file = index / name / f"{stem}-py3-none-any.whl"
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines))
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
        if name == "setuptools":
            archive.writestr("setuptools/build_meta.py", BACKEND)
    links = [f"<a href='{found.name}'>{found.name}</a>" for found in file.parent.glob("*.whl")]
    (file.parent / "index.html").write_text("\n".join(links))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def later(folder: Path, lock: Path) -> tuple[Path, str]:
    """An index in which all that is locked has a newer release; and the lock, with the hashes of what is in there."""
    index, lines = folder / "simple", []
    locked = list(pins(lock).values())
    neighbour = next(pin for pin in locked if pin.requirement.marker is None)
    for pin in locked:
        asked = asked_by(pin, neighbour) if pin != neighbour else []
        lines.append(f"{pin.requirement} \\\n    --hash=sha256:{wheel(index, pin.name, pin.version, asked)}\n")
        wheel(index, pin.name, f"{pin.version}.1", asked)
    return index, "".join(lines)


def made(folder: Path, target: str, index: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Have the Makefile make it, from this index alone."""
    python = os.environ.get("PYTHON") or str(sys._base_executable)  # type: ignore[attr-defined]
    settings = {"PYTHON": python, "PIP_INDEX_URL": index.as_uri(), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        ["make", target],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)} | settings | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )


def installed(environment: Path) -> dict[str, str]:
    """The versions of what is in there."""
    found = (info.stem.split("-") for info in environment.glob("lib/python*/site-packages/*.dist-info"))
    return {canonicalize_name(name): version for name, version in found}


@pytest.fixture
def folder(tmp_path):
    """A clone, as far as installing needs it; in a path as some have it."""
    folder = tmp_path / "with a blank"
    for name in ("Makefile", "pyproject.toml", *RECIPES.values()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


HOSTILE = {
    "PIP_USER": "1",
    "PIP_TARGET": "/nowhere",
    "PIP_NO_BINARY": ":all:",
    "PIP_PRE": "1",
    "PIP_UPGRADE": "1",
    "PIP_NO_DEPS": "0",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_CONSTRAINT": "/nowhere",
    "PIP_USE_PEP517": "0",
}
"""Settings that people have, and that say otherwise what to install, or where to."""


class TestARecipe:
    @pytest.mark.parametrize("target", RECIPES)
    def test_installs_what_is_locked_though_everything_has_a_newer_release(self, tmp_path, folder, target):
        lock = folder / RECIPES[target]
        locked = {pin.name: pin.version for pin in pins(lock).values() if pin.applies()}
        index, text = later(tmp_path, lock)
        lock.write_text(text)
        done = made(folder, target, index)
        assert done.returncode == 0, done.stderr
        here = installed((folder / target).parent)
        here.pop("trellis", None)
        assert here == locked

    def test_is_what_it_is_in_any_environment(self, tmp_path, folder):
        """Settings of pip, packages on PYTHONPATH, and what an earlier installation left."""
        index, text = later(tmp_path, folder / RECIPES[".venv-lock/locked"])
        (folder / RECIPES[".venv-lock/locked"]).write_text(text)
        name, elsewhere = "uv-9.dist-info", tmp_path / "elsewhere"
        for packages in (elsewhere, folder / ".venv-lock/lib/python3/site-packages"):
            (packages / name).mkdir(parents=True)
            (packages / name / "METADATA").write_text("Metadata-Version: 2.1\nName: uv\nVersion: 9\n")
        done = made(folder, ".venv-lock/locked", index, PYTHONPATH=str(elsewhere), **HOSTILE)
        assert done.returncode == 0, done.stderr
        assert installed(folder / ".venv-lock").items() == {
            (pin.name, pin.version) for pin in pins(ROOT / RECIPES[".venv-lock/locked"]).values()
        }

    def test_stops_when_what_is_locked_does_not_go_together(self, tmp_path, folder):
        lock = folder / RECIPES[".venv-bench/locked"]
        index, text = later(tmp_path, lock)
        without = re.sub(r"(?m)^anyio==.*\n.*\n", "", text)
        assert without != text
        lock.write_text(without)
        done = made(folder, ".venv-bench/locked", index)
        assert done.returncode != 0
        assert "requires anyio, which is not installed" in done.stdout
        assert not (folder / ".venv-bench/locked").exists()

    def test_says_which_python_is_needed(self, folder):
        done = made(folder, ".venv/installed", folder, PYTHON="false")
        assert done.returncode != 0
        assert "false is no Python 3.11 or newer with pip" in done.stdout
