"""Publishing: what an event leaves in the queue, and that it is part of the publisher's transaction."""

from contextlib import suppress
from uuid import uuid4

import pytest

from shared.writes.change import Change
from tests.callers import anonymous
from tests.jobs.planted import LATER, Grew

KEY = {"Idempotency-Key": "k"}


def waiting(garden):
    return [job for job, state, _ in garden.jobs() if state == "todo"]


class TestAnEvent:
    async def test_leaves_a_job_for_each_subscriber_and_runs_the_others_at_once(self, garden):
        plant = await garden.grow()
        assert waiting(garden) == [*LATER]
        assert garden.heard(plant) == ["audit.now"]

    async def test_stands_in_the_queue_with_its_fields_its_version_and_its_request(self, garden):
        """Ids, and no documents: the queue is read by operators, and kept."""
        plant = await garden.grow(headers={"X-Request-ID": "abc-1"})
        (found,) = garden.sql("SELECT args FROM procrastinate_jobs WHERE args ->> 'job' = 'mail.send'")
        assert found[0] == {
            "job": "mail.send",
            "event": "kernel.Grew",  # It is defined outside of modules/.
            "version": 2,
            "payload": {"plant_id": str(plant), "how": "well"},
            "request_id": "abc-1",
        }

    async def test_costs_no_round_trip_of_its_own(self, garden):
        """The INSERTs travel with COMMIT, as they need no answer."""
        database = garden.application.kernel.database()
        events = garden.application.kernel.events()
        await garden.grow()  # Prepares the statements.
        wire = await database.write_lane.take()
        database.write_lane.put_back(wire)
        before = wire.sendings
        async with database.unit_of_work() as unit:
            await events.publish(Change(unit), Grew(uuid4()))
        assert wire.sendings == before + 1


class TestNoJobIsLeft:
    @pytest.mark.parametrize("how", ["refused", "refused now"])
    async def test_by_a_publisher_that_is_rolled_back(self, garden, how):
        """By an error of its own, or of a handler's."""
        await garden.grow(how)
        assert garden.jobs() == []

    async def test_by_a_dry_run(self, garden):
        await garden.grow(params={"dry_run": "true"})
        assert garden.jobs() == []

    async def test_by_a_replay_under_an_idempotency_key(self, garden):
        plant = uuid4()
        async with anonymous(garden.app, headers=KEY) as client:
            answers = [await client.post(f"/garden/{plant}", params={"how": "well"}) for _ in range(2)]
        assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]
        assert len(waiting(garden)) == len(LATER)

    async def test_by_what_a_savepoint_undid(self, garden):
        database, events = garden.application.kernel.database(), garden.application.kernel.events()
        kept, undone = uuid4(), uuid4()
        async with database.unit_of_work() as unit:
            await events.publish(Change(unit), Grew(kept))
            with suppress(ZeroDivisionError):
                async with unit.savepoint():
                    await events.publish(Change(unit), Grew(undone))
                    raise ZeroDivisionError  # What was sent is not to go along with the rollback.
        found = garden.sql("SELECT DISTINCT args -> 'payload' ->> 'plant_id' FROM procrastinate_jobs")
        assert found == [(str(kept),)]


class TestABatch:
    async def test_leaves_the_jobs_of_all_its_operations_or_none(self, garden):
        account = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
        async with anonymous(garden.app) as client:
            await client.post("/users", json=account)
            body = {"email": account["email"], "password": account["password"]}
            token = (await client.post("/auth/sessions", json=body)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            for hows, jobs in (["well", "refused"], 0), (["well", "well"], 2 * len(LATER)):
                operations = [{"method": "POST", "path": f"/garden/{uuid4()}?how={how}"} for how in hows]
                answer = await client.post("/batch", json={"operations": operations})
                assert answer.is_success == bool(jobs), answer.text
                assert len(waiting(garden)) == jobs
