"""What shared/wire/{connection,link}.py rely on in an event loop, uvloop's or asyncio's own: how it watches a socket
that libpq reads.
"""

import asyncio
import os
import socket

import pytest
import uvloop

from tests.patience import PATIENCE
from tests.seams.sentences import relied_on

LINK, CONNECTION = "shared/wire/link.py", "shared/wire/connection.py"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def bounded(coroutine):
        async def patient():
            async with asyncio.timeout(PATIENCE):
                await coroutine

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(patient())

    return bounded


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


class TestAReader:
    def test_is_told_when_a_copy_of_its_socket_is_shut_down(self, run, pair):
        async def shut_down():
            told = asyncio.Event()
            asyncio.get_running_loop().add_reader(pair[0].fileno(), told.set)
            with socket.socket(fileno=os.dup(pair[0].fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)
            await told.wait()
            assert pair[0].recv(1) == b""
            asyncio.get_running_loop().remove_reader(pair[0].fileno())

        with relied_on("The event loop", "how it watches a socket", CONNECTION):
            run(shut_down())

    def test_is_told_as_long_as_something_is_unread(self, run, pair):
        async def read_by_halves():
            read, whole = [], asyncio.Event()

            def receive():
                read.append(pair[0].recv(1))
                if len(read) == 3:
                    whole.set()

            asyncio.get_running_loop().add_reader(pair[0].fileno(), receive)
            pair[1].send(b"abc")
            await whole.wait()
            asyncio.get_running_loop().remove_reader(pair[0].fileno())

        with relied_on("The event loop", "how it watches a socket", LINK):
            run(read_by_halves())

    def test_gives_its_place_to_another_once_it_is_removed(self, run, pair):
        """The link's to psycopg's, and back."""

        async def by_turns():
            loop, fd = asyncio.get_running_loop(), pair[0].fileno()

            def receive(told):
                told.set_result(pair[0].recv(1))

            for turn in (b"a", b"b", b"c"):
                told = loop.create_future()
                loop.add_reader(fd, receive, told)
                pair[1].send(turn)
                assert await told == turn
                loop.remove_reader(fd)
                loop.remove_writer(fd)

        with relied_on("The event loop", "how it takes and gives up readers", LINK):
            run(by_turns())


class TestAServer:
    async def test_accepts_one_connection_in_a_turn_for_each_copy_of_its_socket(self):
        """When it accepts more by itself, the copies can go."""
        with relied_on("uvloop", "how many connections it accepts in a turn", "app/serving.py"):
            assert await asyncio.to_thread(uvloop.run, most_in_a_turn(1)) == 1
            assert await asyncio.to_thread(uvloop.run, most_in_a_turn(4)) == 4


async def most_in_a_turn(copies):
    """How many of 20 connections that wait are accepted in a turn at the most."""
    made: list[object] = []

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport):
            made.append(transport)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(20)]
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(Accepted, sock=listener.dup()) for _ in range(copies)]
        turns = []
        while len(made) < len(clients):
            before = len(made)
            await asyncio.sleep(0)
            turns.append(len(made) - before)
        for server in servers:
            server.close()
        for client in clients:
            client.close()
    return max(turns)
