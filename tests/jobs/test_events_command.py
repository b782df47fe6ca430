"""`trellis events`: what an operator sees of the jobs, and what becomes of dead ones."""

import json

import pytest

from tests.jobs.planted import LATER
from tests.servers import trellis


def events(garden, *arguments, code=0):
    done = trellis("events", *arguments, DATABASE_URL=garden.url)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
async def dead(garden):
    """A garden whose jobs have failed for good."""
    await garden.grow("fails", headers={"X-Request-ID": "abc-1"})
    async with garden.working(job_attempts=1):
        await garden.until(lambda: [state for _, state, _ in garden.jobs()] == ["failed"] * len(LATER))
    return garden


class TestList:
    async def test_tells_of_each_job_but_those_that_are_done(self, garden):
        await garden.grow()
        garden.sql("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE args ->> 'job' = 'mail.send'")
        lines = events(garden, "list").stdout.splitlines()
        told = sorted(line.split("  ", 2)[2] for line in lines if "kernel.Grew" in line)
        assert told == [f"{job} about kernel.Grew, attempts: 0" for job in LATER if job != "mail.send"]
        (done,) = json.loads(events(garden, "list", "--state", "done", "--json").stdout)
        assert (done["job"], done["state"], done["error"]) == ("mail.send", "done", None)

    async def test_tells_why_a_job_is_dead(self, dead):
        lines = events(dead, "list", "--state", "dead").stdout.splitlines()
        assert len(lines) == len(LATER)
        assert all(line.endswith("attempts: 1  ValueError: It has not rained.") for line in lines)
        assert len(events(dead, "list", "--state", "dead", "--limit", "1").stdout.splitlines()) == 1


class TestShow:
    async def test_tells_all_of_a_job(self, dead):
        (id,) = dead.sql("SELECT id FROM procrastinate_jobs WHERE args ->> 'job' = 'mail.send'")[0]
        shown = json.loads(events(dead, "show", str(id), "--json").stdout)
        assert [step["what"] for step in shown.pop("history")] == ["deferred", "started", "failed"]
        assert shown.pop("made")
        plant = shown["payload"].pop("plant_id")
        assert shown == {
            "id": id,
            "job": "mail.send",
            "event": "kernel.Grew",
            "version": 2,
            "state": "dead",
            "attempts": 1,
            "due": None,
            "request_id": "abc-1",
            "payload": {"how": "fails"},
            "error": "ValueError: It has not rained.",
        }
        assert plant in events(dead, "show", str(id)).stdout

    def test_of_a_job_that_is_not_there_is_a_sentence(self, garden):
        assert "There is no job 99999." in events(garden, "show", "99999", code=1).stderr


class TestResubmit:
    async def test_has_the_named_ones_tried_again_and_names_those_that_are_not_dead(self, dead):
        ids = [id for (id,) in dead.sql("SELECT id FROM procrastinate_jobs WHERE args ? 'event' ORDER BY id")]
        done = events(dead, "resubmit", str(ids[0]), "99999", code=1)
        assert (done.stdout, done.stderr) == (
            "Jobs that will be tried again: 1.\n",
            "Error: These are no dead jobs: 99999.\n",
        )
        states = dead.sql("SELECT status::text, attempts FROM procrastinate_jobs WHERE args ? 'event' ORDER BY id")
        assert states == [("todo", 0), ("failed", 1), ("failed", 1)]

    @pytest.mark.parametrize("arguments", [[], ["1", "--all"]])
    def test_wants_either_names_or_all(self, garden, arguments):
        assert "Name the jobs, or say --all." in events(garden, "resubmit", *arguments, code=2).stderr
