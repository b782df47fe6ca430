"""The gates of `make clients`: what runs without npm and Java, and that the harness finds what it looks for."""

import json
import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.clients.__main__ import complaints, passes
from tests.clients.gates import GATES, HERE, Gate, Need

pytestmark = pytest.mark.needs("projects")

ENVIRONMENT = {"TRELLIS_URL": "http://127.0.0.1"}


def outcome(gate: Gate, capsys, short: bool = False) -> str:
    """What is said of a gate, which passes just when that says so."""
    passed = passes(gate, ENVIRONMENT, short)
    said: str = capsys.readouterr().out
    assert passed == ("FAILED" not in said)
    return said


class TestTheDocument:
    """By the schema of OpenAPI's own; `make clients` looks into examples and defaults, too, which takes minutes."""

    async def test_is_one_of_openapi_3_1(self, client):
        document = (await client.get("http://test/openapi.json")).json()
        assert [*OpenAPIV31SpecValidator(document).schema_validator.iter_errors(document)] == []

    def test_that_is_none_would_be_found(self):
        document = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/x": {"get": {"tags": 5}}}}
        assert [*OpenAPIV31SpecValidator(document).schema_validator.iter_errors(document)] != []


class TestAGate:
    def test_passes_when_its_commands_do(self, capsys):
        assert outcome(Gate("quiet", ("true", "echo {name} {url}")), capsys) == "quiet: passed.\n"

    def test_fails_with_a_command_and_says_all_of_its_output(self, capsys):
        said = outcome(Gate("loud", ("sh -c 'echo why; exit 3'", "echo unreached")), capsys)
        assert said.startswith("loud: FAILED.\n$ sh -c")
        assert "\nwhy\n" in said
        assert "unreached" not in said

    @pytest.mark.parametrize("line", ["[main] WARN o.o.codegen", "You have 3 warnings.", "Warning was generated"])
    def test_fails_with_a_warning(self, capsys, line):
        assert line in outcome(Gate("odd", (f"echo '{line}'",)), capsys)

    def test_passes_with_a_warning_that_is_excused(self, capsys):
        gate = Gate("beta", ("echo WARN support is in beta",), excused={"in beta": "It says so of itself."})
        assert "passed" in outcome(gate, capsys)

    def test_has_longer_commands_that_the_short_version_leaves_out(self, capsys):
        gate = Gate("patient", ("true",), longer=("false",))
        assert "passed" in outcome(gate, capsys, short=True)
        assert "FAILED" in outcome(gate, capsys)

    def test_is_left_out_where_a_program_is_missing_and_says_so(self, capsys, monkeypatch):
        monkeypatch.setattr("shutil.which", lambda name: None)
        said = outcome(Gate("absent", ("false",), (Need.NPM, Need.JAVA)), capsys)
        assert said == "absent: left out, there is no npm and no java.\n"


class TestTheGates:
    def test_give_a_reason_for_each_excuse(self):
        excuses = {excuse: reason for gate in GATES for excuse, reason in gate.excused.items()}
        assert all(reason.endswith(".") and re.compile(excuse) for excuse, reason in excuses.items())

    def test_excuse_no_warning_as_such(self):
        assert all(complaints("WARN: something else", gate.excused) for gate in GATES)

    def test_install_from_no_registry_that_the_lock_names(self):
        packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
        assert [name for name, package in packages.items() if "resolved" in package] == []
        assert all("integrity" in package for name, package in packages.items() if name)
