"""What the Dockerfile promises, as far as its text tells."""

import re
from pathlib import Path

import pytest

from app.pages.markdown import GUIDE, chapters
from app.pages.pages import CHANGELOG
from tests.servers import ROOT


class TestTheHealthCheck:
    def test_asks_whether_the_process_is_alive_and_not_whether_the_database_is(self):
        """An orchestrator restarts what is not healthy, and a restart mends no database."""
        check = re.search(r"^HEALTHCHECK.*\n.*", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        assert check is not None
        assert re.findall(r"/health/\w+", check[0]) == ["/health/live"]


class TestTheFiles:
    @pytest.mark.parametrize("file", ["alembic.ini", CHANGELOG, GUIDE, *chapters()])
    def test_beside_the_packages_are_in_the_image_and_in_what_it_is_built_from(self, file):
        """The pages are made of them."""
        copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        sent = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
        for named in ([name for line in copied for name in line.split()], sent):
            assert {file, *map(str, Path(file).parents)} & {*named}
