"""What shared/http/server/{protocol,requests}.py rely on and uvicorn and httptools do not promise: when one of these
fails after an upgrade, these files are to be read again beside theirs.
"""

import inspect
from typing import ClassVar

import httptools
import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from shared.http.server.admission import GatedProtocol
from shared.http.server.framing import Framing
from shared.http.server.protocol import BoundedProtocol
from shared.http.server.requests import RequestProtocol
from shared.http.server.tasks import TaskProtocol

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Told:
    """What a parser tells."""

    def __init__(self):
        self.parser = httptools.HttpRequestParser(self)
        self.names = []
        self.body = b""

    def feed(self, data):
        self.parser.feed_data(data)
        return self.names

    def on_message_begin(self):
        self.names.append("begin")

    def on_headers_complete(self):
        self.names.append("head")

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.names.append("end")


class TestUvicorn:
    def test_has_what_is_overridden(self):
        ours = vars(BoundedProtocol) | vars(GatedProtocol) | vars(RequestProtocol) | vars(TaskProtocol)
        own = {name for name, value in ours.items() if inspect.isfunction(value) and name[0] != "_"}
        new = {"finish", "await_request", "announce_end", "admit", "begin", "shed", "ignore"}
        assert own - vars(HttpToolsProtocol).keys() == new

    def test_makes_a_cycle_of_these_and_starts_it_as_a_task(self):
        made = inspect.getsource(HttpToolsProtocol.on_headers_complete)
        assert "httptools.parse_url(self.url)" in made
        assert "scope=self.scope" in made
        assert "expect_100_continue=self.expect_100_continue" in made
        assert "self._start_asgi_task(self.cycle, app)" in made
        started = inspect.getsource(HttpToolsProtocol._start_asgi_task)
        assert "self.loop.create_task(cycle.run_asgi(app))" in started
        assert "self.tasks.add(task)" in started

    def test_ends_each_task_itself_with_whatever_comes(self):
        """So one that is cancelled leaves no error that nobody has looked at."""
        assert "except BaseException as exc:" in inspect.getsource(RequestResponseCycle.run_asgi)

    @pytest.mark.parametrize(
        ("of", "names"),
        [
            (
                RequestResponseCycle,
                {"keep_alive", "message_event", "response_started", "response_complete", "scope", "run_asgi"}
                | {"chunked_encoding", "expected_content_length"},
            ),
            (FlowControl, {"read_paused", "write_paused", "resume_reading", "pause_reading"}),
            (
                HttpToolsProtocol,
                {"app", "cycle", "connections", "flow", "headers", "loop", "parser", "pipeline", "scope", "transport"}
                | {"server_state", "timeout_keep_alive", "url", "expect_100_continue", "tasks"},
            ),
        ],
    )
    def test_keeps_these_where_they_are(self, of, names):
        source = inspect.getsource(of)
        assert {name for name in names if f"self.{name}" not in source and f"def {name}(" not in source} == set()

    def test_wakes_who_waits_for_a_body_by_its_event(self):
        assert "await self.message_event.wait()" in inspect.getsource(RequestResponseCycle.receive)

    def test_ends_a_connection_by_the_transport_it_was_given(self):
        assert "self.transport.close()" in inspect.getsource(RequestResponseCycle.send)
        assert "self.transport.close()" in inspect.getsource(HttpToolsProtocol.shutdown)


class TestHttptools:
    def test_begins_with_the_first_byte_and_not_with_empty_lines(self):
        told = Told()
        assert told.feed(b"\r\n\r\n") == []
        assert told.feed(b"G") == ["begin"]

    @pytest.mark.parametrize(
        "head", [b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\r\nHost: x\n\r\n", b"GET / HTTP/1.1\r\n\n"]
    )
    def test_takes_no_bare_line_feed_in_a_head(self, head):
        with pytest.raises(httptools.HttpParserError):
            Told().feed(head)

    @pytest.mark.parametrize("body", [b"1\na\r\n", b"1\r\na\n", b"0\n\r\n", b"0\r\n\n", b"0\r\nA: x\r\n\n"])
    def test_takes_no_bare_line_feed_in_a_chunked_body(self, body):
        with pytest.raises(httptools.HttpParserError):
            Told().feed(CHUNKED + body)

    def test_gives_no_body_after_an_offer_to_upgrade(self):
        told = Told()
        with pytest.raises(httptools.HttpParserUpgrade):
            told.feed(b"POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na")
        assert (told.names, told.body, told.parser.should_upgrade()) == (["begin", "head", "end"], b"", True)

    def test_tells_what_a_callback_raises_as_an_error_of_its_own(self):
        class Refusing(Told):
            def on_headers_complete(self):
                raise ValueError

        with pytest.raises(httptools.HttpParserCallbackError):
            Refusing().feed(b"GET / HTTP/1.1\r\n\r\n")


class TestFraming:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 50, 10_000])
    def test_gives_the_parser_one_request_at_a_time(self, size):
        requests = [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
            CHUNKED + b"4\r\n\r\n\r\n\r\n8;a=b\r\n\r\n0\r\n\r\n\r\r\n0\r\nA: x\r\n\r\n",
            b"\r\n\r\n" + CHUNKED + b"0\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        ]
        framing = Framing(1000)

        class Request(Told):
            headers: ClassVar = []

            def on_header(self, name, value):
                self.headers.append((name.lower(), value))

            def on_headers_complete(self):
                framing.begin_body(self.headers)

            def on_body(self, body):
                framing.in_body()

            def on_message_complete(self):
                ends.append(start)
                framing.begin_head()
                self.headers.clear()

        sent = b"".join(requests * 2)
        told, start = Request(), 0
        ends: list[int] = []
        for received in range(size, len(sent) + size, size):
            data = sent[:received]
            while start < len(data):
                before, start = start, framing.end(data, start)
                told.feed(data[before:start])
        assert ends == [sum(map(len, (requests * 2)[: n + 1])) for n in range(10)]
        assert not framing.is_too_large
