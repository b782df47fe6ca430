"""The log: what a line has, ours or that of the standard library's loggers."""

import io
import json
import logging
import logging.config
import sys
from contextlib import redirect_stderr

from shared.observing import Activity, current_activity, line_log, log_configuration
from shared.observing.logs import line_formatter

HOSTILE = "a\nb\u2028\x1b[0m\ud800"


def record(message, *arguments, exc_info=None, **extra):
    made = logging.LogRecord("trellis", logging.INFO, __file__, 1, message, arguments, exc_info)
    vars(made).update(extra)
    return made


class Terminal(io.StringIO):
    def isatty(self):
        return True


def line_of(*given, stream=None, **extra):
    """A record as text."""
    with redirect_stderr(stream or io.StringIO()):
        return line_formatter().format(record(*given, **extra))


def line_with(event, stream=None, **fields):
    """Fields as text."""
    with redirect_stderr(stream or io.StringIO()) as written:
        line_log("trellis.access").info(event, **fields)
    return written.getvalue()


def failure():
    try:
        raise RuntimeError("the reason")
    except RuntimeError:
        return sys.exc_info()


class TestALine:
    def test_has_the_id_of_its_request(self):
        token = current_activity.set(Activity("abc-1"))
        try:
            text = line_of("x")
        finally:
            current_activity.reset(token)
        assert json.loads(text)["request_id"] == "abc-1"

    async def test_of_no_request_has_none(self, client):
        await client.get("http://test/health/live")
        assert json.loads(line_of("x"))["request_id"] == "-"

    def test_is_one_whatever_the_text(self):
        text = line_of("%s", HOSTILE)
        assert text.isascii()
        assert text.isprintable()
        assert json.loads(text)["message"] == HOSTILE

    def test_tells_when_how_grave_and_whose_it_is(self):
        line = json.loads(line_of("x %d", 1))
        assert line.keys() == {"time", "level", "logger", "request_id", "message"}
        assert (line["level"], line["logger"], line["message"]) == ("INFO", "trellis", "x 1")
        assert line["time"].endswith("+00:00")

    def test_has_what_is_told_beside_the_message(self):
        assert json.loads(line_of("x", statement="abc"))["statement"] == "abc"

    def test_of_others_has_the_message_alone(self):
        """Procrastinate tells the arguments of its jobs, uvicorn colours."""
        assert "job" not in json.loads(line_of("x", job="abc", name="procrastinate.worker"))

    def test_of_a_failure_has_the_traceback(self):
        text = line_of("x", exc_info=failure())
        assert "RuntimeError: the reason" in json.loads(text)["exception"]

    def test_of_fields_has_them_too(self):
        (text,) = line_with(HOSTILE, status=200).splitlines()
        assert text.isascii()
        line = json.loads(text)
        assert line.keys() == {"time", "level", "logger", "status", "message"}
        assert (line["level"], line["logger"], line["message"], line["status"]) == (
            "INFO",
            "trellis.access",
            HOSTILE,
            200,
        )

    def test_that_nobody_reads_is_lost_and_fails_no_request(self):
        class Broken(io.StringIO):
            def write(self, _):
                raise BrokenPipeError

        line_with("GET /a 200", Broken())


class TestAtATerminal:
    def test_a_line_is_text_that_controls_nothing(self):
        text = line_of("%s", HOSTILE, statement="\x1b[2J", stream=Terminal())
        assert "a\\nb\\u2028\\x1b[0m\\ud800" in text
        assert "\x1b[2J" not in text
        assert "\n" not in text

    def test_the_line_of_a_request_says_nothing_twice(self):
        text = line_with("GET /a 200", Terminal(), method="GET", route="/a", status=200, bytes=1)
        assert text.count("200") == 1
        assert "bytes" in text

    def test_a_failure_has_its_traceback_on_lines_of_its_own(self):
        text = line_of("x", exc_info=failure(), stream=Terminal())
        assert "\nRuntimeError: the reason" in text


class TestTheConfiguration:
    def test_names_what_there_is(self):
        given = log_configuration()
        # Resolves every name, and touches no logger.
        configurator = logging.config.DictConfigurator({"version": 1})
        formatter = configurator.configure_formatter(given["formatters"][given["handlers"]["stderr"]["formatter"]])
        assert "x" in formatter.format(record("x"))
        assert given["loggers"]["trellis"]["level"] == "INFO"
