"""`POST /projects/import`: very many projects at once, all or the good ones, and what is wrong told by the line."""

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.asgi import create_app
from modules.projects.repository import ProjectRepository
from modules.projects.tests.factories import ProjectFactory
from modules.projects.tests.imports import CSV, NDJSON, imported, named, names, ndjson, send, wrong
from modules.projects.tests.test_create import BAD, NOON
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from shared.errors import Contended
from shared.http.imports import imports, lines
from tests.callers import Caller


@pytest.fixture
async def ann(signed_in):
    return await signed_in(full_name="Ann")


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(lines, "BATCH_LINES", 2)


class TestALine:
    @pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
    async def test_breaks_the_rules_that_a_single_project_does(self, ann, field, value):
        body = {"name": "Relaunch", field: value}
        answer = await send(ann, named("a") + ndjson(body))
        single = (await ann.post("/projects", json=body)).json()["errors"]
        assert answer.json()["errors"] == [{"line": 2, **error} for error in single]

    async def test_may_have_several_errors(self, ann):
        errors = wrong(await send(ann, ndjson({"status": "x", "nonsense": 1})))
        assert set(errors) == {(1, "/name", "missing"), (1, "/status", "enum"), (1, "/nonsense", "extra_forbidden")}

    async def test_is_never_echoed(self, ann):
        rows = ndjson({"name": "hunter2" * 50, "due_on": "hunter2", "status": "hunter2"}) + b'hunter2"\n'
        for media_type, content in ((NDJSON, rows), (CSV, b"name,due_on\nhunter2,hunter2\nhunter2\n")):
            assert "hunter2" not in (await send(ann, content, media_type)).text

    async def test_has_its_dates_in_order(self, ann):
        rows = [{"name": "a", "starts_on": "2026-03-01", "due_on": due} for due in ("2026-02-28", "2026-03-01")]
        answer = await send(ann, ndjson(*rows))
        assert wrong(answer) == [(1, "/due_on", "dates_out_of_order")]
        single = await ann.post("/projects", json=rows[0])
        assert answer.json()["errors"] == [{"line": 1, **error} for error in single.json()["errors"]]


class TestMode:
    ROWS = named("a", "") + b"x\n" + named("b")

    async def test_is_atomic_unless_asked_and_one_bad_line_keeps_all_out(self, ann):
        answer = await send(ann, self.ROWS)
        assert [line for line, _, _ in wrong(answer)] == [2, 3]
        assert answer.json()["failed"] == 2
        assert await names(ann) == set()

    async def test_partial_keeps_the_good_lines(self, ann):
        answer = await send(ann, self.ROWS, mode="partial")
        assert imported(answer) == (2, 2)
        assert [error["line"] for error in answer.json()["errors"]] == [2, 3]
        assert await names(ann) == {"a", "b"}

    async def test_that_there_is_not_is_refused(self, ann):
        refused = await send(ann, self.ROWS, mode="hopeful")
        assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "mode")

    async def test_holds_over_the_batches(self, ann, small_batches):
        assert [line for line, _, _ in wrong(await send(ann, named("a", "b", "c", "", "d")))] == [4]
        assert await names(ann) == set()
        assert imported(await send(ann, named("a", "b", "c", "", "d"), mode="partial")) == (4, 1)
        assert await names(ann) == {"a", "b", "c", "d"}

    async def test_lists_a_hundred_errors_and_counts_all(self, ann):
        answer = await send(ann, b"x\n" * 1500 + named("a") + b'{"external_id": 1}\n' * 1500)
        assert [line for line, _, _ in wrong(answer)] == [*range(1, 101)]
        assert answer.json()["failed"] == 3000

    async def test_lists_the_errors_by_line_whatever_finds_them(self, ann, small_batches):
        await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        taken = ndjson({"name": "a", "external_id": "42"})
        late = ndjson({"name": "a", "starts_on": "2026-03-01", "due_on": "2026-02-28"})
        errors = wrong(await send(ann, taken + b"x\n" + late + taken + b"x\n"))
        assert [(line, code) for line, _, code in errors] == [
            (1, "external_id_taken"),
            (2, "json_invalid"),
            (3, "dates_out_of_order"),
            (4, "external_id_taken"),
            (5, "json_invalid"),
        ]


class TestExternalIds:
    TAKEN = ("/external_id", "external_id_taken")

    async def test_that_the_caller_has_already_are_conflicts(self, ann):
        await ProjectFactory.saved(owner_id=ann.id, external_id="42", name="there")
        rows = ndjson({"name": "a", "external_id": "41"}, {"name": "b", "external_id": "42"})
        assert wrong(await send(ann, rows)) == [(2, *self.TAKEN)]
        assert imported(await send(ann, rows, mode="partial")) == (1, 1)
        assert await names(ann) == {"there", "a"}

    async def test_that_come_twice_are_conflicts_within_a_batch_and_beyond_it(self, ann, small_batches):
        rows = ndjson(*({"name": f"{n}", "external_id": id} for n, id in enumerate(["a", "a", "b", "a", "b"])))
        assert wrong(await send(ann, rows)) == [(line, *self.TAKEN) for line in (2, 4, 5)]
        assert imported(await send(ann, rows, mode="partial")) == (2, 3)
        assert await names(ann) == {"0", "2"}

    async def test_of_others_and_of_deleted_projects_are_free(self, ann):
        await ProjectFactory.saved(owner_id=(await UserFactory.saved()).id, external_id="42")
        await ProjectFactory.saved(owner_id=ann.id, external_id="42", deleted_at=NOON)
        assert imported(await send(ann, ndjson({"name": "a", "external_id": "42"}))) == (1, 0)

    async def test_may_be_absent_from_many(self, ann):
        assert imported(await send(ann, named("a", "a", "a"))) == (3, 0)


class TestTags:
    async def test_are_put_on_the_projects(self, ann, small_batches):
        tags = [str((await TagFactory.saved(owner_id=ann.id, name=name)).id) for name in "abc"]
        carried = {"0": tags[:1], "1": [], "2": tags[1:] * 2, "3": tags}
        assert imported(await send(ann, ndjson(*({"name": n, "tag_ids": ids} for n, ids in carried.items())))) == (4, 0)
        for project in (await ann.get("/projects")).json()["items"]:
            assert [tag["id"] for tag in project["tags"]] == sorted(set(carried[project["name"]]), key=tags.index)

    async def test_are_json_in_a_cell(self, ann):
        tag = await TagFactory.saved(owner_id=ann.id)
        assert imported(await send(ann, f'name,tag_ids\r\na,"[""{tag.id}""]"\r\nb,\r\nc,[]\r\n'.encode(), CSV)) == (
            3,
            0,
        )
        *_, first = (await ann.get("/projects")).json()["items"]
        assert [found["id"] for found in first["tags"]] == [str(tag.id)]

    async def test_that_cannot_be_attached_are_that_lines_error(self, ann):
        good = (await TagFactory.saved(owner_id=ann.id)).id
        foreign = (await TagFactory.saved(owner_id=(await UserFactory.saved()).id)).id
        deleted = (await TagFactory.saved(owner_id=ann.id, deleted_at=NOON)).id
        rows = ndjson(*({"name": "x", "tag_ids": [str(good), str(id)]} for id in (good, foreign, deleted, uuid4())))
        answer = await send(ann, rows)
        assert wrong(answer) == [(line, "/tag_ids/1", "tag_not_attachable") for line in (2, 3, 4)]
        assert len({error["message"] for error in answer.json()["errors"]}) == 1
        assert imported(await send(ann, rows, mode="partial")) == (1, 3)

    async def test_may_be_very_many_in_a_batch(self, ann):
        rows = ndjson(*({"name": "x", "tag_ids": [str(uuid4()) for _ in range(100)]} for _ in range(300)))
        assert (await send(ann, rows)).json()["failed"] == 300


class TestItIsAWrite:
    async def test_is_in_the_journal_line_by_line(self, ann, database):
        tag = await TagFactory.saved(owner_id=ann.id)
        await send(ann, ndjson({"name": "a", "tag_ids": [str(tag.id)]}, {"name": "b"}))
        told = text("SELECT after ->> 'name', part FROM journal WHERE actor_id = :id AND resource = 'projects'")
        rows = await database.sql(told, {"id": ann.id})
        assert sorted(map(tuple, rows), key=repr) == [("a", None), ("b", None), (None, "project_tags")]

    async def test_a_dry_run_keeps_nothing_and_answers_what_would_be(self, ann):
        assert imported(await send(ann, named("a", ""), mode="partial", dry_run="true")) == (1, 1)
        assert len(wrong(await send(ann, named("a", ""), dry_run="true"))) == 1
        assert await names(ann) == set()

    @pytest.mark.parametrize("media_type", [NDJSON, CSV])
    async def test_one_with_an_idempotency_key_is_done_once(self, ann, media_type):
        content = named("a") if media_type == NDJSON else b"name\na\n"
        key = {"Idempotency-Key": "k"}
        first, second = [await send(ann, content, media_type, key) for _ in range(2)]
        assert (imported(first), second.content) == ((1, 0), first.content)
        assert second.headers["Idempotency-Replayed"] == "true"
        assert len((await ann.get("/projects")).json()["items"]) == 1
        others = [await send(ann, content + b"b\n", media_type, key), await send(ann, b"", media_type, key)]
        others += [await send(ann, content, media_type, key, mode="partial")]
        others += [await send(ann, content, CSV if media_type == NDJSON else NDJSON, key)]
        assert {other.json()["code"] for other in others} == {"idempotency_key_reused"}

    async def test_one_that_failed_may_be_sent_again_with_its_key(self, ann):
        key = {"Idempotency-Key": "k"}
        wrong(await send(ann, ndjson({"name": "a", "external_id": "1"}) * 2, headers=key))
        assert imported(await send(ann, named("a"), headers=key)) == (1, 0)

    async def test_one_that_met_another_begins_anew(self, ann, monkeypatch, small_batches):
        batches, add_all = [], ProjectRepository.add_all

        async def contended(repository, change, batch, owner_id):
            await add_all(repository, change, batch, owner_id)
            batches.append(batch)
            if len(batches) == 2:
                raise Contended

        monkeypatch.setattr(ProjectRepository, "add_all", contended)
        assert imported(await send(ann, named("a", "b", "c", "d", "e"))) == (5, 0)
        assert len((await ann.get("/projects")).json()["items"]) == 5


class TestTheUpload:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Content-Type": kind}
            for kind in ("", "application/json", "text/plain", "text/csv; charset=latin1", "\x7f;;=")
        ]
        + [{"Content-Type": NDJSON, "Content-Encoding": "gzip"}],
        ids=repr,
    )
    async def test_of_another_type_is_refused(self, ann, headers):
        refused = await ann.post("/projects/import", content=named("a"), headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")

    async def test_of_nobody_is_not_received(self, client):
        for token in (None, "Bearer", "Bearer x", "Basic x"):
            headers = {"Authorization": token} if token else {}
            assert (await send(client, self._never(), headers=headers)).status_code == 401

    async def test_of_somebody_whose_account_is_deleted_is_not_received(self, ann):
        assert (await ann.delete("/users/me")).status_code == 204
        assert (await send(ann, self._never())).status_code == 401

    async def test_may_be_larger_than_other_bodies(self, ann):
        description = "x" * 10_000
        rows = ndjson(*({"name": "a", "description": description} for _ in range(150)))
        assert len(rows) > 1 << 20
        assert imported(await send(ann, rows)) == (150, 0)

    @pytest.mark.parametrize("declared", [True, False])
    async def test_that_is_too_large_is_refused(self, application, ann, declared):
        small = application.kernel.settings().model_copy(update={"max_import_bytes": 100})
        with application.kernel.settings.override(small):
            caller = Caller(create_app(application), ann.id, ann.session_id, ann.token)

        async def chunks():
            for _ in range(8):
                yield named("a")

        content = named(*"abcdefgh")
        refused = await send(caller, content if declared else chunks())
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        assert imported(await send(caller, named(*"abcdef"))) == (6, 0)

    async def test_that_is_slow_holds_no_transaction(self, ann, database):
        seen = []

        async def chunks():
            for _ in range(3):
                yield named("a")
                await asyncio.sleep(0)
                seen.append(database.in_unit_of_work)

        assert imported(await send(ann, chunks(), headers={"Idempotency-Key": "k"})) == (3, 0)
        assert seen == [False] * 3

    async def test_that_is_one_too_many_of_an_account_is_to_come_later(self, ann, signed_in, application):
        bob = await signed_in()
        async with AsyncExitStack() as running:
            for _ in range(2):
                await running.enter_async_context(application.http.imports()._turns.of(ann.id))
            refused = await send(ann, self._never())
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
            assert (refused.json()["retryable"], refused.headers["Retry-After"]) == (True, "5")
            assert imported(await send(bob, named("b"))) == (1, 0)
        assert [imported(await send(ann, named("a"))) for _ in range(3)] == [(1, 0)] * 3

    async def test_waits_for_its_turn_and_not_for_ever(self, ann, application, monkeypatch):
        turn = asyncio.Semaphore(0)
        monkeypatch.setattr(application.http.imports(), "_at_work", turn)
        waiting = asyncio.create_task(send(ann, named("a")))
        await asyncio.sleep(0.05)
        turn.release()
        assert imported(await waiting) == (1, 0)
        assert not turn.locked()
        await turn.acquire()
        monkeypatch.setattr(imports, "LONGEST_WAIT", 0.01)
        refused = await send(ann, named("a"))
        assert (refused.status_code, refused.json()["retryable"]) == (503, True)

    async def test_that_has_no_room_is_to_come_later(self, ann, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("shared.http.imports.imports.Upload.add", full)
        assert (await send(ann, named("a"))).status_code == 503

    async def _never(self):
        raise AssertionError("It is received.")
        yield b""
