"""The metrics: what a process tells of itself, of its pool, of its queue and of its database when it is asked."""

import asyncio
import gc
import time

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.observing.database import GAUGES, DatabaseGauges
from app.observing.loop import Pauses
from app.observing.metrics import Metrics
from shared.http.server import Gate
from shared.observing import BOUNDS, OTHER, Activity, Tallies, Watch
from shared.wire.database import Database
from tests.database import clone, url_with
from tests.observing.scraped import Scraped
from tests.patience import eventually
from tests.servers import await_lock

ROUTE = "/api/v1/tags/{tag_id}"


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        yield url


@pytest.fixture
def watch():
    watch = Watch()
    watch.requests, watch.jobs = Tallies(), Tallies()
    return watch


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
async def scrape(settings, url, watch, pauses):
    """Asks for the metrics, of a process with two connections in each lane. From another thread, as an exporter is
    asked: the gauges' statements have a loop of their own.
    """
    own = settings.model_copy(update={"database_url": url, "pool_size": 2})
    database = Database(own)

    def scrape(gauges):
        registry = CollectorRegistry()
        registry.register(Metrics(watch, database, Gate(own), pauses, gauges))
        return Scraped.of(generate_latest(registry).decode())

    yield lambda gauges=None: asyncio.to_thread(scrape, gauges or DatabaseGauges(own))
    await database.close()


class TestLabels:
    async def test_are_none_of_those_that_prometheus_gives_itself(self, scrape, watch):
        """It would rename ours, and sums by them would be sums by what is scraped."""
        watch.requests.add(("GET", ROUTE, "200"), Activity(), 0.1)
        watch.jobs.add(("kernel.purge", "done"), Activity(), 0.1)
        labels = {label for sample in await scrape() for label in sample.labels}
        assert {"http_route", "outcome"} <= labels
        assert labels & {"job", "instance"} == set()


class TestRequests:
    async def test_are_told_by_method_route_and_status_under_opentelemetrys_names(self, scrape, watch):
        for seconds in (0.001, 0.003, 20.0):
            watch.requests.add(("GET", ROUTE, "200"), Activity(), seconds)
        told = await scrape()
        labels = {"http_request_method": "GET", "http_route": ROUTE, "http_response_status_code": "200"}
        name = "http_server_request_duration_seconds"
        assert told.value(f"{name}_count", **labels) == 3
        assert told.value(f"{name}_sum", **labels) == pytest.approx(20.004)
        buckets = {str(bound): told.value(f"{name}_bucket", le=str(bound), **labels) for bound in (*BOUNDS, "+Inf")}
        assert (buckets["0.001"], buckets["0.005"], buckets["10.0"], buckets["+Inf"]) == (1, 2, 2, 3)

    async def test_tell_what_they_cost(self, scrape, watch):
        activity = Activity()
        activity.statements, activity.statement_seconds = 5, 0.5
        activity.wait_seconds, activity.retries, activity.slow = 0.25, 2, 1
        activity.sqlstates = ("40P01", "40P01", "-")
        watch.requests.add(("POST", ROUTE, "201"), activity, 1.0)
        told = await scrape()
        costs = ("statements", "statement_seconds", "wait_seconds", "retries", "slow_statements")
        assert [told.value(f"trellis_request_{cost}_total", http_route=ROUTE) for cost in costs] == [5, 0.5, 0.25, 2, 1]
        refusals = [told.value("trellis_database_refusals_total", sqlstate=state) for state in ("40P01", "-")]
        assert refusals == [2, 1]

    async def test_of_unknown_paths_and_methods_are_one(self, app, client, monkeypatch):
        """However many a client invents."""
        watch = app.front._watch
        monkeypatch.setattr(watch, "requests", tallies := Tallies())
        for number in range(20):
            await client.request(f"BREW{number}", f"/tea/{number}")
            await client.get(f"/tags/{number}")
            await client.get(f"http://test/docs{number}")
        keys = {key for key, _ in tallies.all()}
        assert keys == {(OTHER, OTHER, "404"), ("GET", "/api/v1/tags/{tag_id}", "401"), ("GET", OTHER, "404")}
        assert watch.active == 0


class TestThePool:
    async def test_tells_its_size_and_what_is_taken_and_waited_for(self, scrape, settings):
        told = await scrape()
        for lane in ("read", "write"):
            found = [told.value(f"trellis_pool_{what}", lane=lane) for what in ("size", "in_use", "waiting")]
            assert found == [2, 0, 0]
            assert told.value("trellis_pool_wait_seconds_count", lane=lane) == 0
            assert told.value("trellis_pool_refused_total", lane=lane) == 0


class TestTheGate:
    async def test_tells_how_many_may_be_at_work_are_and_wait(self, scrape, settings):
        told = await scrape()
        assert told.value("trellis_gate_limit") == settings.max_requests
        found = [told.value(f"trellis_gate_{what}") for what in ("at_work", "waiting", "refused_total")]
        assert found == [0, 0, 0]


class TestTheEventLoop:
    async def test_that_is_blocked_is_late_and_seen_to_be_so_meanwhile(self, scrape, pauses):
        async with pauses.measured():
            await asyncio.sleep(0.2)
            stalled = asyncio.create_task(asyncio.to_thread(eventually, lambda: pauses.stalled_seconds > 0.1))
            await asyncio.sleep(0)
            time.sleep(0.6)  # noqa: ASYNC251 (so it is blocked)
            assert await stalled
            await asyncio.sleep(0.2)
        told = await scrape()
        lag = "trellis_event_loop_lag_seconds"
        assert told.value(f"{lag}_count") - told.value(f"{lag}_bucket", le="0.25") >= 1

    async def test_is_stopped_by_the_garbage_collector_for_a_time_that_is_told(self, scrape, pauses):
        async with pauses.measured():
            gc.collect()
        assert (await scrape()).value("trellis_gc_seconds_total", generation="2") > 0


class TestTheQueue:
    async def test_tells_how_many_jobs_wait_run_and_are_dead_and_for_how_long(self, scrape, url):
        with psycopg.connect(url, autocommit=True) as connection:
            for state, event in (("todo", "deferred"), ("doing", "started"), ("failed", "failed"), ("succeeded", "x")):
                ((id,),) = connection.execute(
                    """INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)
                    VALUES ('trellis', 'trellis', '{}', %s) RETURNING id""",
                    [state],
                ).fetchall()
                if event in ("deferred", "started"):
                    connection.execute("DELETE FROM procrastinate_events WHERE job_id = %s", [id])
                    connection.execute(
                        """INSERT INTO procrastinate_events (job_id, type, at)
                        VALUES (%s, %s, now() - interval '1 hour')""",
                        [id, event],
                    )
        told = await scrape()
        assert [told.value("trellis_jobs", state=state) for state in ("waiting", "running", "dead")] == [1, 1, 1]
        assert told.value("trellis_jobs_oldest_seconds") >= 3600
        assert told.value("trellis_jobs_longest_seconds") >= 3600


class TestTheDatabase:
    async def test_tells_of_locks_and_of_the_transaction_that_holds_the_feed_back(self, scrape, url):
        with psycopg.connect(url) as holder, psycopg.connect(url) as waiter:
            holder.execute("SELECT pg_current_xact_id(), pg_advisory_xact_lock(1)")
            waiting = asyncio.create_task(asyncio.to_thread(waiter.execute, "SELECT pg_advisory_xact_lock(1)"))
            await asyncio.to_thread(await_lock, url)
            told = await scrape()
            holder.rollback()
            await waiting
        assert told.value("trellis_database_up") == 1
        assert told.value("trellis_database_lock_waits") == 1
        assert told.value("trellis_database_longest_lock_wait_seconds") > 0
        assert told.value("trellis_feed_lag_seconds") > 0
        assert told.value("trellis_database_sessions", state="idle in transaction") == 1
        assert told.value("trellis_database_connections_left") > 0
        assert told.value("trellis_database_size_bytes") > 1_000_000

    async def test_gives_every_gauge(self, scrape):
        """None of the statements fails."""
        told = await scrape()
        assert {gauge.name for gauge in GAUGES} <= told.names

    async def test_that_is_away_is_told_and_leaves_the_other_metrics(self, scrape, settings):
        away = settings.model_copy(update={"database_url": url_with(settings.database_url, port="1")})
        told = await scrape(DatabaseGauges(away))
        assert told.value("trellis_database_up") == 0
        assert "trellis_jobs_oldest_seconds" not in told.names
        assert told.value("trellis_pool_size", lane="read") == 2

    async def test_is_asked_once_in_a_while_only(self, scrape, settings, url):
        gauges = DatabaseGauges(settings.model_copy(update={"database_url": url}))
        first = await asyncio.to_thread(gauges.read)
        assert await asyncio.to_thread(gauges.read) is first
