"""Each harness of this package in a short version; and that they find what they look for."""

import asyncio
import importlib
import shutil
import subprocess
import sys

import pytest

from tests.patience import PATIENCE
from tests.reliability import load
from tests.reliability.__main__ import NAMES
from tests.reliability.load import Clients, Tally
from tests.servers import ROOT

NEEDS = {"restarts": "haproxy"}
"""Programs that a harness cannot do without."""


class TestEachHarness:
    @pytest.mark.parametrize("name", NAMES)
    def test_finds_no_fault_in_a_short_while(self, name):
        if (program := NEEDS.get(name)) and shutil.which(program) is None:
            pytest.skip(f"There is no {program}.")
        short = importlib.import_module(f"tests.reliability.{name}").SHORT
        command = [sys.executable, "-m", f"tests.reliability.{name}", *short]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=2 * PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr


class TestTheClients:
    async def test_tell_of_each_request_without_a_good_answer(self, monkeypatch):
        monkeypatch.setattr(load, "FIRST", 0)  # This process has other tests to run, beside those of others.
        answers = iter(
            [
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
                b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
                b"",
            ]
        )

        async def serve(reader, writer):
            while await reader.read(100):
                sent = next(answers)
                writer.write(sent)
                if not sent.endswith((b"ok", b"\r\n\r\n")):
                    break
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            clients, tally = Clients(f"http://127.0.0.1:{port}", lambda: b"GET / HTTP/1.1\r\n\r\n"), Tally()
            for _ in range(5):
                await clients.ask(tally)
            clients.close()
        assert (len(tally.good()), tally.count(503)) == (1, 1)
        assert tally.wrong() == ["1 × 500", "2 × ConnectionError: closed without an answer"]
