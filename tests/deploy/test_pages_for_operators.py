"""docs/DEPLOY.md, docs/BACKUP.md and the table of settings in README.md: what they name is there."""

import re

import pytest

from app.cli import assembled
from shared.manifest import discover
from tests.deploy.settings import fields, unknown
from tests.servers import ROOT

PAGES = ("DEPLOY.md", "BACKUP.md")


def text(page: str) -> str:
    return (ROOT / "docs" / page).read_text()


@pytest.mark.parametrize("page", PAGES)
class TestEachPage:
    def test_names_commands_that_there_are(self, page):
        named = re.findall(r"(?:`|bin/|api |&& |\" )trellis ([a-z]+)|^trellis ([a-z]+)", text(page), re.MULTILINE)
        commands = {first or second for first, second in named}
        assert {"doctor"} <= commands <= assembled(discover()).commands.keys()

    def test_names_settings_that_there_are(self, page):
        named = {*re.findall(r"TRELLIS_[A-Z_]+", text(page))}
        assert "TRELLIS_SECRET" in named
        assert unknown(named) == set()

    def test_leads_to_files_that_there_are(self, page):
        links = re.findall(r"\]\(((?!http|#)[^)#]+)", text(page))
        assert links
        for link in links:
            assert (ROOT / "docs" / link).resolve().exists(), link


class TestTheTableOfTheReadme:
    """| `VARIABLE`, `VARIABLE` | `default`, `default` | meaning |"""

    ROWS = re.findall(r"^\| (`[A-Z].*?) \| (.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)

    def test_names_settings_that_there_are(self):
        named = {name for names, _ in self.ROWS for name in re.findall(r"`([A-Z_]+)`", names)}
        assert "TRELLIS_SECRET" in named
        assert unknown(named) == set()

    def test_has_the_defaults_that_they_have(self):
        """Those that are told as numbers."""
        known = fields()
        told = 0
        for names, values in self.ROWS:
            numbers = re.findall(r"`(\d+(?:\.\d+)?)`", values)
            variables = re.findall(r"`([A-Z_]+)`", names)
            if len(numbers) == len(variables):
                for variable, number in zip(variables, numbers, strict=True):
                    if variable in known and known[variable].default_factory is None:
                        assert known[variable].default == float(number), variable
                        told += 1
        assert told > 12
