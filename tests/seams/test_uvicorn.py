"""What app/serving.py and app/workers.py rely on. Of uvicorn's protocol: tests/server/test_protocol_seam.py."""

import asyncio
import inspect
import os
import signal
import socket
from typing import Any

import pytest
import uvicorn
from uvicorn.supervisors import multiprocess

from tests.patience import PATIENCE, eventually
from tests.seams.sentences import relied_on

SERVING = "app/serving.py"


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
        with relied_on("uvicorn", "how `Server.startup` begins to listen", SERVING):
            assert await Serving(hello, lambda: first_bytes(listener)).over(listener) == b"HTTP/1.1 200"


class TestNotifying:
    async def test_calls_back_again_and_again(self, listener):
        """So the embedded PostgreSQL is looked after."""
        with relied_on("uvicorn", "`callback_notify` and `timeout_notify`", SERVING):
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
        with relied_on("uvicorn", "what it does with the signal that stopped it", SERVING):
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
        with relied_on("uvicorn", "`timeout_graceful_shutdown`", SERVING):
            asked = []

            async def meanwhile():
                asked.append(asyncio.create_task(first_bytes(listener)))
                await asyncio.to_thread(eventually, lambda: server.server_state.tasks)

            server = Serving(never, meanwhile, timeout_graceful_shutdown=0.01)
            await server.over(listener)
            await asyncio.gather(*asked, return_exceptions=True)


class TestDraining:
    async def test_goes_on_while_a_tick_says_so_whatever_the_signal(self, listener):
        """So a server that got SIGTERM takes new connections for as long as we want."""
        with relied_on("uvicorn", "that `handle_exit` only notes a signal, and `on_tick` decides", SERVING):

            class Draining(Serving):
                is_over = False

                async def on_tick(self, counter):
                    return await super().on_tick(counter) and self.is_over

            async def meanwhile():
                server.handle_exit(signal.SIGTERM, None)
                try:
                    await asyncio.sleep(0.3)
                    return await first_bytes(listener)
                finally:
                    server._captured_signals.clear()
                    server.is_over = True

            server = Draining(hello, meanwhile)
            assert await server.over(listener) == b"HTTP/1.1 200"

    async def test_knows_its_connections(self, listener):
        with relied_on("uvicorn", "`server_state.connections`", SERVING):

            async def meanwhile():
                _, writer = await asyncio.open_connection(*listener.getsockname())
                await asyncio.to_thread(eventually, lambda: server.server_state.connections)
                writer.close()

            server = Serving(hello, meanwhile)
            await server.over(listener)


class TestASupervisor:
    def test_makes_processes_of_what_its_module_names(self):
        with relied_on("uvicorn", "how its supervisor makes a process, and what it calls", "app/workers.py"):
            made = inspect.getsource(multiprocess.Multiprocess)
            assert made.count("Process(self.config, self.sockets)") == 4
            assert 'getattr(self, f"handle_{sig_name.lower()}", None)' in made
            assert "process.exitcode == STARTUP_FAILURE" in made
            for name in ("join_all", "terminate_all", "keep_subprocess_alive", "signal_queue", "processes", "sockets"):
                assert f"self.{name}" in made
            one = inspect.getsource(multiprocess.Process)
            assert "get_subprocess(config, self.target, sockets)" in one
            assert "threading.Thread(target=self.always_pong, daemon=True).start()" in one
            for name in ("_server", "child_conn", "process"):
                assert f"self.{name}" in one
