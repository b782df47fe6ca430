"""The alert rules and the dashboard of ops/: they name what there is, and fire when they are to."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest

from app.observing.database import GAUGES, DatabaseGauges
from app.observing.loop import Pauses
from app.observing.metrics import Metrics
from shared.http.server import Gate
from shared.observing import Activity, Tallies, Watch
from shared.wire.database import Database
from tests.observing.scraped import Scraped
from tests.ops.alerts import CAUSES, fires, trial
from tests.ops.prometheus import ALERTS, DASHBOARD, PROMTOOL, RULES
from tests.patience import eventually

REQUESTS = "http_server_request_duration_seconds"
NAME = re.compile(r"\b(?:trellis|http_server|process|python)_\w+|\bup\b")

UP = {'up{job="trellis", instance="a"}': "1x30", "trellis_gate_limit": "40x30"}
PROBES = f'{REQUESTS}_count{{http_route="/health/ready", http_response_status_code="%d"}}'
SERIES = {
    "TrellisAway": {'up{job="trellis", instance="a"}': "0x30"},
    "TrellisErrors": {
        f'{REQUESTS}_count{{http_response_status_code="200"}}': "0+900x30",
        f'{REQUESTS}_count{{http_response_status_code="503"}}': "0+9x30",
        "trellis_gate_refused_total": "0+100x30",
    },
    "TrellisSlow": {
        f'{REQUESTS}_bucket{{http_route="/a", le="1.0"}}': "0+90x30",
        f'{REQUESTS}_bucket{{http_route="/a", le="2.5"}}': "0+100x30",
        f'{REQUESTS}_bucket{{http_route="/a", le="+Inf"}}': "0+100x30",
    },
    "TrellisPoolExhausted": {'trellis_pool_wait_seconds_sum{lane="read", instance="a"}': "0+120x30"},
    "TrellisHeldBack": {"trellis_database_longest_lock_wait_seconds": "9x30"},
    "TrellisDatabaseAway": {"trellis_database_up": "0x30"},
    "TrellisDatabaseFull": {'trellis_database_refusals_total{sqlstate="53100"}': "0x15 1x15"},
    "TrellisJobsLate": {"trellis_jobs_oldest_seconds": "0+60x30"},
    "TrellisJobsDead": {'trellis_jobs{state="dead"}': "0x15 1x15"},
    "TrellisLoopStalls": {
        'trellis_event_loop_lag_seconds_bucket{instance="a", le="0.25"}': "0+90x30",
        'trellis_event_loop_lag_seconds_bucket{instance="a", le="1.0"}': "0+100x30",
        'trellis_event_loop_lag_seconds_bucket{instance="a", le="+Inf"}': "0+100x30",
    },
}
"""For each alert, series of half an hour that are what it is for, by the minute."""

WELL = {
    **UP,
    f'{REQUESTS}_count{{http_response_status_code="200"}}': "0+1000x30",
    f'{REQUESTS}_count{{http_response_status_code="503"}}': "0+1x30",
    "trellis_gate_refused_total": "9x30",
    f'{REQUESTS}_bucket{{http_route="/a", le="1.0"}}': "0+1000x30",
    f'{REQUESTS}_bucket{{http_route="/a", le="+Inf"}}': "0+1000x30",
    f'{REQUESTS}_bucket{{http_route="/a/export", le="1.0"}}': "0x30",
    f'{REQUESTS}_bucket{{http_route="/a/export", le="+Inf"}}': "0+100x30",
    'trellis_pool_wait_seconds_sum{lane="read", instance="a"}': "0+1x30",
    'trellis_pool_refused_total{lane="read", instance="a"}': "7x30",
    "trellis_database_longest_lock_wait_seconds": "1x30",
    "trellis_feed_lag_seconds": "5x30",
    "trellis_database_up": "1x30",
    'trellis_database_refusals_total{sqlstate="53100"}': "1x30",
    "trellis_jobs_oldest_seconds": "10x30",
    "trellis_jobs_longest_seconds": "200x30",
    'trellis_jobs{state="dead"}': "0x30",
    "trellis_event_loop_stalled_seconds": "0x30",
}


def promtool(*arguments):
    if PROMTOOL is None:
        pytest.skip("promtool comes with Prometheus.")
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def fired(tmp_path):
    def fired(series: dict[str, str], alerts: list[str]) -> None:
        """After twenty minutes of these series, just these alerts fire."""
        expression = 'count by (alertname) (ALERTS{alertstate="firing"})'
        expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts]
        test = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": expression, "eval_time": "20m", "exp_samples": expected}],
        }
        file = tmp_path / "test.yml"  # Of which JSON is a part.
        file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
        promtool("test", "rules", file)

    return fired


class TestTheRules:
    def test_are_ten_each_with_what_is_to_be_looked_at(self):
        text = RULES.read_text()
        assert len(ALERTS) == len(set(ALERTS)) == 10
        assert text.count("summary:") == text.count("look:") == text.count("severity:") == 10

    def test_are_each_tried_by_causing_what_they_are_for(self):
        """`make alerts`."""
        assert list(CAUSES) == ALERTS
        assert list(SERIES) == ALERTS

    @pytest.mark.parametrize("alert", ALERTS)
    def test_fire_for_what_they_are_for_and_for_nothing_else(self, fired, alert):
        fired(UP | SERIES[alert], [alert])

    def test_fire_for_requests_that_are_all_refused_at_the_gate(self, fired):
        """Of 5xx there is no series then: the gate is before what counts requests."""
        well = f'{REQUESTS}_count{{http_response_status_code="200"}}'
        fired(UP | {well: "0+900x30", "trellis_gate_refused_total": "0+100x30"}, ["TrellisErrors"])

    @pytest.mark.parametrize("left", [{}, {'up{job="trellis", instance="worker"}': "1x30"}], ids=["none", "a worker"])
    def test_fire_when_prometheus_knows_of_no_server(self, fired, left):
        """A process that ends goes from what Prometheus discovers, and its `up` with it."""
        fired(left, ["TrellisAway"])

    def test_do_not_fire_for_probes_of_servers_that_wait_for_the_schema(self, fired):
        """As in a rollout, while the migration runs."""
        fired(WELL | {PROBES % 503: "0+30x30"}, [])

    def test_fire_for_few_requests_among_many_probes(self, fired):
        asked = {f'{REQUESTS}_count{{http_response_status_code="{status}"}}': "0+9x30" for status in (200, 500)}
        fired(UP | asked | {PROBES % 200: "0+9000x30"}, ["TrellisErrors"])

    def test_are_rules_of_prometheus(self):
        promtool("check", "rules", RULES)

    def test_are_silent_when_all_is_well(self, fired):
        fired(WELL, [])

    @pytest.mark.skipif(PROMTOOL is None, reason="Prometheus is not installed.")
    def test_fire_in_prometheus_over_a_real_server(self, tmp_path):
        """A short `make alerts`."""
        with trial(tmp_path) as (tried, watching):
            eventually(lambda: watching.firing() == set())  # A slow machine may have a cause for some, for a while.
            fires("TrellisAway", tried, watching)


@pytest.fixture
async def exported(settings):
    """The names of all metrics that a process tells."""
    watch = Watch()
    watch.requests, watch.jobs = Tallies(), Tallies()
    watch.requests.add(("GET", "/a", "200"), Activity(), 0.1)
    watch.jobs.add(("a.b", "done"), Activity(), 0.1)
    database = Database(settings)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(Metrics(watch, database, Gate(settings), Pauses(), _Gauges(settings)))
    yield Scraped.of(generate_latest(registry).decode()).names | {"up"}
    await database.close()


class _Gauges(DatabaseGauges):
    """Each of them, without asking."""

    def read(self):
        return {gauge.name: [("x", 1.0)] for gauge in GAUGES}


class TestTheNames:
    @pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=lambda path: path.name)
    async def test_are_of_metrics_that_the_server_exports(self, exported, file):
        named = names_in(file)
        assert len(named) > 8
        assert named - exported == set()


def names_in(file: Path) -> set[str]:
    """The metrics in the queries of a file."""
    text = file.read_text()
    if file == DASHBOARD:
        queries = [target["expr"] for panel in panels(json.loads(text)) for target in panel["targets"]]
    else:
        queries = re.findall(r"expr: (.*?)\n +(?:for|labels):", text, re.DOTALL)
    return {name for query in queries for name in metrics_in(query)}


def metrics_in(query: str) -> list[str]:
    return NAME.findall(re.sub(r'"[^"]*"', "", query))


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


class TestTheDashboard:
    def test_has_an_answer_in_every_panel(self):
        dashboard = json.loads(DASHBOARD.read_text())
        shown = panels(dashboard)
        assert len(shown) >= 12
        assert all(panel["targets"] and panel["title"] and panel["description"] for panel in shown)
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])

    def test_asks_in_prometheus_language(self, tmp_path):
        """Each query as a rule, with what Grafana puts in."""
        queries = [target["expr"] for panel in panels(json.loads(DASHBOARD.read_text())) for target in panel["targets"]]
        filled = [query.replace("$__rate_interval", "1m").replace("$instance", ".*") for query in queries]
        rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(filled)]
        (file := tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "a", "rules": rules}]}))
        promtool("check", "rules", file)
