"""docs/DEPLOY.md and docs/BACKUP.md: what they name is there."""

import re

import pytest

from app.cli import assembled
from shared.manifest import discover
from tests.deploy.settings import unknown
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
