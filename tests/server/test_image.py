"""What the Dockerfile promises, as far as its text tells."""

import json
import os
import re
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

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

    @pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
    def test_asks_the_process_itself(self, status, code):
        """And no proxy, which many containers are told of by variables."""

        class Alive(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status if self.path == "/health/live" else 404)
                self.end_headers()

        (_, *command) = json.loads(re.findall(r"^ +CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0])
        with HTTPServer(("127.0.0.1", 0), Alive) as server:
            Thread(target=server.handle_request, daemon=True).start()
            proxy = {"http_proxy": "http://127.0.0.1:1", "no_proxy": ""}
            environment = {**os.environ, **proxy, "PORT": str(server.server_port)}
            done = subprocess.run([sys.executable, *command], env=environment, check=False, capture_output=True)
        assert done.returncode == code, done.stderr


class TestTheImage:
    TEXT = (ROOT / "Dockerfile").read_text()
    LAST = TEXT[TEXT.rindex("\nFROM ") :]
    """What is in the image; the stage before stays behind."""

    def test_runs_as_nobody_in_particular(self):
        assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", self.LAST, re.MULTILINE)

    @pytest.mark.parametrize("label", ["title", "description", "licenses", "version", "revision"])
    def test_says_what_it_is(self, label):
        assert f"org.opencontainers.image.{label}=" in self.LAST

    def test_has_its_licence_and_the_list_of_what_is_in_it(self):
        assert re.search(r"^COPY .*\bLICENSE\b", self.TEXT, re.MULTILINE)
        assert "--output-file sbom.cdx.json" in self.TEXT
        assert "COPY --from=build /srv/trellis ." in self.LAST

    def test_has_no_secret(self):
        assert not re.search(r"SECRET|PASSWORD|DATABASE_URL", self.TEXT)

    def test_is_of_the_version_of_the_project(self):
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        assert f"ARG VERSION={version}\n" in self.LAST


class TestTheFiles:
    @pytest.mark.parametrize("file", ["alembic.ini", CHANGELOG, GUIDE, *chapters()])
    def test_beside_the_packages_are_in_the_image_and_in_what_it_is_built_from(self, file):
        """The pages are made of them."""
        copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        sent = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
        for named in ([name for line in copied for name in line.split()], sent):
            assert {file, *map(str, Path(file).parents)} & {*named}
