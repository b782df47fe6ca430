"""Batches: several changes as one (docs/guide/changing.md)."""

from typing import Any

from httpx2 import Response

from tests.conformance.faces import Face
from tests.conformance.promises import Promises
from tests.conformance.requests import Write, contents, done, refused
from tests.conformance.tried import batchable, each, needs


def _can_create(contract: Any) -> bool:
    face: Face = contract.face
    return {"create", "change"} <= face.routes.keys() and face.is_batchable("create")


class Batches(Promises):
    """The verbs as operations of `POST /batch`."""

    async def run(self, *operations: dict[str, Any], caller: Any = None, **headers: Any) -> Response:
        write = Write("POST", "/batch", {"operations": list(operations)})
        return await write.by(caller or self.keeper, **headers)

    @needs("create", if_=_can_create)
    async def test_a_row_goes_in_one_batch_through_all_that_can_happen_to_it(self):
        """Later operations refer to the results of earlier ones, in paths and in bodies; each result is what the
        operation would have answered alone.
        """
        self_path = f"{self.face.path}/{{/0/id}}"
        patch = self.patch(self.row)
        operations: list[dict[str, Any]] = [
            {"method": "POST", "path": self.face.path, "body": self.body()},
            {"method": "PATCH", "path": self_path, "body": patch},
            {"method": "PATCH", "path": self_path, "body": {name: {"$ref": f"/1/{name}"} for name in patch}},
            {"method": "DELETE", "path": self_path},
            {"method": "POST", "path": f"{self_path}/restore"},
        ]
        operations = operations[: 5 if {"delete", "restore"} <= self.face.routes.keys() else 3]
        results = done(await self.run(*operations)).json()["results"]
        assert [result["status"] for result in results] == [201, 200, 200, 204, 200][: len(results)]
        read = await self.keeper.get(self.path(results[0]["body"]))
        assert results[-1]["body"] == read.json()
        assert results[-1]["headers"]["ETag"] == read.headers["ETag"]
        assert results[0]["headers"]["Location"] == f"/api/v1{self.path(results[0]['body'])}"
        assert results[0]["body"]["version"] == 1
        assert results[2]["body"] == results[1]["body"] | {"version": results[2]["body"]["version"]}

    @each("verb", batchable)
    async def test_a_failure_keeps_nothing_of_all(self, verb: str):
        """The answer is the failed operation's status and `batch_failed`, with its index and its problem; what went
        before is undone, what comes after is not done.
        """
        good, bad, next_one = [await self.write(verb) for _ in range(3)]
        before = await contents(self.stage.database)
        for place in range(3):
            operations = [good.in_batch(), next_one.in_batch()]
            operations.insert(place, bad.in_batch(if_match='"99-x"'))
            problem = refused(await self.run(*operations), 412, "batch_failed")
            assert (problem["index"], problem["problem"]["code"]) == (place, "version_mismatch")
            assert await contents(self.stage.database) == before, "All operations are carried out, or none."
        done(await self.run(good.in_batch(), bad.in_batch(if_match="*"), next_one.in_batch()))

    @needs("create", if_=_can_create)
    async def test_a_create_is_undone_with_the_batch_that_it_is_in(self):
        """With its row, its journal, and what came of it."""
        create = Write("POST", self.face.path, self.body()).in_batch()
        before = await contents(self.stage.database)
        problem = refused(await self.run(create, {**create, "body": {"nonsense": 1}}), 422, "batch_failed")
        assert (problem["index"], problem["problem"]["code"]) == (1, "invalid_input")
        assert await contents(self.stage.database) == before, "All operations are carried out, or none."

    @each("verb", batchable)
    async def test_an_operation_is_as_forbidden_as_alone(self, verb: str):
        """Each is judged for the caller, with the problem that it has by itself."""
        outsider, write = await self.outsider(), await self.write(verb)
        alone = await write.by(outsider)
        before = await contents(self.stage.database)
        problem = refused(await self.run(write.in_batch(), caller=outsider), alone.status_code, "batch_failed")
        assert {**problem["problem"], "request_id": ""} == {**alone.json(), "request_id": ""}
        assert await contents(self.stage.database) == before

    @each("verb", batchable)
    async def test_a_batch_is_repeated_and_tried_as_a_whole(self, verb: str):
        """An idempotency key and a dry run are for all of it."""
        operations = [(await self.write(verb)).in_batch() for _ in range(2)]
        before = await contents(self.stage.database)
        trial = Write("POST", "/batch", {"operations": operations})
        done(await trial.by(self.keeper, dry_run=True))
        assert await contents(self.stage.database) == before, "A dry run keeps nothing."
        first = done(await self.run(*operations, Idempotency_Key="k"))
        after = await contents(self.stage.database)
        again = await self.run(*operations, Idempotency_Key="k")
        assert (again.content, again.headers.get("Idempotency-Replayed")) == (first.content, "true")
        assert await contents(self.stage.database) == after
