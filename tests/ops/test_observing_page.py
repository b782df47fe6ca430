"""docs/OBSERVING.md: what it has one type at night works."""

import json
import re
import shutil
import subprocess

import psycopg
import pytest

from tests.database import clone
from tests.ops.prometheus import ALERTS
from tests.ops.test_alerts import exported, metrics_in, promtool  # noqa: F401 (a fixture)
from tests.servers import ROOT

PAGE = (ROOT / "docs" / "OBSERVING.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def connection():
    with clone() as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


class TestThePage:
    @pytest.mark.parametrize("sql", blocks("sql"), ids=lambda sql: sql.split("\n")[0][:40])
    def test_has_statements_that_postgresql_takes(self, connection, sql):
        assert connection.execute(sql).description

    def test_has_queries_that_prometheus_takes_of_metrics_that_there_are(self, tmp_path, exported):  # noqa: F811
        queries = blocks("promql")
        assert len(queries) > 8
        assert {name for query in queries for name in metrics_in(query)} - exported == set()
        rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
        (file := tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "a", "rules": rules}]}))
        promtool("check", "rules", file)

    @pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed.")
    @pytest.mark.parametrize("program", blocks("jq"))
    def test_has_filters_of_lines_that_jq_takes(self, program):
        lines = [
            {"logger": "trellis.access", "duration_ms": 2000, "principal": "a", "route": "/a", "statements": 3},
            {"logger": "trellis", "statements": ["abc"], "seconds": 2.5, "route": "/a"},
        ]
        given = "\n".join(json.dumps(line) for line in lines)
        found = subprocess.run(["jq", "-c", program], input=given, capture_output=True, text=True, check=True)
        assert len(found.stdout.splitlines()) == 1

    def test_has_every_alert(self):
        assert re.findall(r"^\| `(Trellis\w+)`", PAGE, re.MULTILINE) == ALERTS
