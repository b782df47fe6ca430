"""The log."""

import json
import logging
import logging.config
import sys

import pytest

from shared.http.edge.logs import JsonLines, RequestId, log_configuration
from shared.http.edge.request_id import current_request_id


def record(message, *arguments, exc_info=None):
    return logging.LogRecord("trellis", logging.INFO, __file__, 1, message, arguments, exc_info)


class TestALine:
    def test_has_the_id_of_its_request(self):
        line = record("x")
        token = current_request_id.set("abc-1")
        try:
            RequestId().filter(line)
        finally:
            current_request_id.reset(token)
        assert json.loads(JsonLines().format(line))["request_id"] == "abc-1"

    async def test_of_no_request_has_none(self, client):
        await client.get("http://test/health/live")
        line = record("x")
        RequestId().filter(line)
        assert line.request_id == "-"

    def test_is_one_whatever_the_text(self):
        text = JsonLines().format(record("%s", "a\nb\u2028\x1b[0m\ud800"))
        assert text.isascii()
        assert text.isprintable()
        assert json.loads(text)["message"] == "a\nb\u2028\x1b[0m\ud800"

    def test_tells_when_how_grave_and_whose_it_is(self):
        line = json.loads(JsonLines().format(record("x %d", 1)))
        assert line.keys() == {"time", "level", "logger", "request_id", "message"}
        assert (line["level"], line["logger"], line["message"]) == ("INFO", "trellis", "x 1")
        assert line["time"].endswith("+00:00")

    def test_of_a_failure_has_the_traceback(self):
        try:
            raise RuntimeError("the reason")
        except RuntimeError:
            text = JsonLines().format(record("x", exc_info=sys.exc_info()))
        assert "RuntimeError: the reason" in json.loads(text)["exception"]


class TestTheConfiguration:
    @pytest.mark.parametrize("environment", ["development", "production"])
    def test_names_what_there_is(self, settings, environment):
        given = log_configuration(settings.model_copy(update={"environment": environment}))
        # Resolves every name, and touches no logger.
        configurator = logging.config.DictConfigurator({"version": 1})
        formatter = configurator.configure_formatter(given["formatters"][given["handlers"]["stderr"]["formatter"]])
        line = record("x")
        configurator.configure_filter(given["filters"]["request"]).filter(line)
        assert "x" in formatter.format(line)
        assert given["loggers"]["trellis"]["level"] == "INFO"
