"""What app/cli.py relies on and uvicorn does not promise. Of its protocol: tests/server/test_protocol_seam.py."""

import asyncio
import os
import signal
import socket
from typing import Any

import pytest
import uvicorn

from tests.patience import PATIENCE, eventually
from tests.seams.sentences import relied_on

CLI = "app/cli.py"


async def hello(scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def never(_scope, _receive, _send):
    await asyncio.Event().wait()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def first_bytes(listener):
    """Those that are answered to a request."""
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return await reader.read(12)
    finally:
        writer.close()


class Serving(uvicorn.Server):
    """Does once something stands what a test does meanwhile, and ends."""

    def __init__(self, app, meanwhile, **options):
        options = {"lifespan": "off", "log_config": None, "ws": "none", **options}
        super().__init__(uvicorn.Config(app, **options))
        self.meanwhile = meanwhile
        self.task: asyncio.Task[Any]

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.task = asyncio.create_task(self._end_after(self.meanwhile()))

    async def _end_after(self, meanwhile):
        try:
            return await meanwhile
        finally:
            self.should_exit = True

    async def over(self, listener):
        async with asyncio.timeout(PATIENCE):
            await self.serve(sockets=[listener])
            return await self.task


class TestStarting:
    async def test_is_done_when_startup_returns(self, listener):
        """Whoever is told the address then finds the server there."""
        with relied_on("uvicorn", "how `Server.startup` begins to listen", CLI):
            assert await Serving(hello, lambda: first_bytes(listener)).over(listener) == b"HTTP/1.1 200"


class TestNotifying:
    async def test_calls_back_again_and_again(self, listener):
        """So the embedded PostgreSQL is looked after."""
        with relied_on("uvicorn", "`callback_notify` and `timeout_notify`", CLI):
            twice = asyncio.Semaphore(0)

            async def notify():
                twice.release()

            async def meanwhile():
                await twice.acquire()
                await twice.acquire()

            server = Serving(hello, meanwhile)
            server.config.callback_notify, server.config.timeout_notify = notify, 0
            await server.over(listener)


class TestStopping:
    async def test_raises_the_signal_again_at_the_end(self, listener):
        """To the handler that there was before, which leaves the process through every `finally`."""
        with relied_on("uvicorn", "what it does with the signal that stopped it", CLI):
            raised = []
            before = signal.signal(signal.SIGTERM, lambda *_: raised.append("again"))

            async def meanwhile():
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.to_thread(eventually, lambda: server.should_exit)
                raised.append("first")

            try:
                server = Serving(hello, meanwhile)
                await server.over(listener)
            finally:
                signal.signal(signal.SIGTERM, before)
            assert raised == ["first", "again"]

    async def test_takes_a_fraction_of_a_second_for_its_patience(self, listener):
        with relied_on("uvicorn", "`timeout_graceful_shutdown`", CLI):
            asked = []

            async def meanwhile():
                asked.append(asyncio.create_task(first_bytes(listener)))
                await asyncio.to_thread(eventually, lambda: server.server_state.tasks)

            server = Serving(never, meanwhile, timeout_graceful_shutdown=0.01)
            await server.over(listener)
            await asyncio.gather(*asked, return_exceptions=True)
