"""Changing and deleting all rows that a query matches (docs/guide/changing.md)."""

from typing import Any

from httpx2 import Response
from pydantic_core import to_jsonable_python

from shared.auth import ADMIN
from tests.conformance.promises import Promises
from tests.conformance.requests import contents, done, executed, parameters, refused
from tests.conformance.tried import each, needs


def _verbs(contract: Any) -> list[str]:
    return contract.face.verbs("change_all", "delete_all") if "id" in contract.face.collection.filters else []


class Affecting(Promises):
    """`PATCH` and `DELETE` on the collection."""

    async def affect(self, verb: str, caller: Any = None, key: str | None = None, /, **params: Any) -> Response:
        """The answer to a change or deletion of all that match."""
        method = "PATCH" if verb == "change_all" else "DELETE"
        headers = {} if key is None else {"Idempotency-Key": key}
        body = self._body(verb)
        found: Response = await (caller or self.keeper).request(
            method, self.face.path, json=body, params=params, headers=headers
        )
        return found

    @each("verb", _verbs)
    async def test_all_that_match_are_affected_and_nothing_else(self, verb: str):
        """In one request; the answer names them."""
        rows = [self.row, await self.saved(), await self.saved()]
        other, gone = rows.pop(), await self.deleted()
        before = await self.document(other)
        answer = done(await self.affect(verb, **{"id[in]": _ids(*rows, gone)}))
        assert answer.json() == {"count": 2, "ids": sorted(str(row.id) for row in rows), "has_more": False}
        for row in rows:
            found = await self.keeper.get(self.path(row))
            if verb == "delete_all":
                refused(found, 404, self.resource.absent.code)
            else:
                assert done(found).json().items() >= (self._body(verb) or {}).items()
                assert found.json()["version"] == 2
        assert await self.document(other) == before

    @each("verb", _verbs)
    async def test_what_is_over_the_limit_waits_for_the_next_request(self, verb: str):
        """`has_more` says so; sent again and again, the request comes to an end."""
        rows = [self.row, await self.saved(), await self.saved()]
        params = {"id[in]": _ids(*rows), "limit": "2"}
        answers = [done(await self.affect(verb, **params)).json() for _ in range(3)]
        assert [(answer["count"], answer["has_more"]) for answer in answers] == [(2, True), (1, False), (0, False)]
        assert {id for answer in answers for id in answer["ids"]} == {str(row.id) for row in rows}

    @each("verb", _verbs)
    async def test_a_query_that_names_no_rows_is_refused(self, verb: str):
        """A client that lost its filter keeps its rows."""
        before = await contents(self.stage.database)
        for params in ({}, {"limit": "1"}, {"dry_run": "true"}):
            assert parameters(await self.affect(verb, **params)) == ["query"]
        for name in ("deleted", "cursor", "sort", "fields", "count", "nonsense"):
            assert parameters(await self.affect(verb, **{"id": str(self.row.id), name: "x"})) == [name]
        assert await contents(self.stage.database) == before

    @each("verb", _verbs)
    async def test_a_dry_run_tells_and_keeps_nothing(self, verb: str):
        """The answer is that of the real one."""
        before = await contents(self.stage.database)
        tried = done(await self.affect(verb, id=str(self.row.id), dry_run="true"))
        assert await contents(self.stage.database) == before
        assert done(await self.affect(verb, id=str(self.row.id))).content == tried.content

    @each("verb", _verbs)
    async def test_rows_on_which_one_may_not_do_that_do_not_match(self, verb: str):
        """Whether one sees them or not. An administrator affects what their own list has."""
        action = {"change_all": "change", "delete_all": "delete"}[verb]
        for role in (*self.roles, ADMIN, None):
            row = await self.saved()
            caller = await (
                self.outsider() if role is None else self.admin() if role == ADMIN else self.actor(role, row)
            )
            may = role not in {ADMIN, None} and self.face.allows(str(role), action)
            answer = done(await self.affect(verb, caller, id=str(row.id)))
            assert answer.json()["ids"] == ([str(row.id)] if may else []), role

    @each("verb", _verbs)
    async def test_it_happens_once_under_a_key(self, verb: str):
        """The kept answer is given again."""
        first = done(await self.affect(verb, None, "all", id=str(self.row.id)))
        again = done(await self.affect(verb, None, "all", id=str(self.row.id)))
        assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
        assert first.json()["count"] == 1

    @each("verb", _verbs)
    async def test_a_replay_takes_as_many_statements_whatever_it_affected(self, verb: str):
        """The rights on all of the rows are looked at together."""
        costs = set()
        for count in (1, 4):
            ids = _ids(*[await self.saved() for _ in range(count)])
            done(await self.affect(verb, None, f"of {count}", **{"id[in]": ids}))
            with executed() as statements:
                done(await self.affect(verb, None, f"of {count}", **{"id[in]": ids}))
            costs.add(len(statements))
        assert len(costs) == 1, costs

    @each("verb", _verbs)
    async def test_it_is_of_no_single_version(self, verb: str):
        """`If-Match` has nothing to be compared with: 412, and nothing is changed."""
        before = await contents(self.stage.database)
        method = "PATCH" if verb == "change_all" else "DELETE"
        for tag in ("*", '"1-x"'):
            answer = await self.keeper.request(
                method,
                self.face.path,
                json=self._body(verb),
                params={"id": str(self.row.id)},
                headers={"If-Match": tag},
            )
            refused(answer, 412, "precondition_failed")
        assert await contents(self.stage.database) == before

    @needs("delete_all", "restore", if_=_verbs)
    async def test_each_that_was_deleted_comes_back_alone(self):
        """As if it had been deleted by itself."""
        rows = [self.row, await self.saved()]
        done(await self.affect("delete_all", **{"id[in]": _ids(*rows)}))
        done(await self.keeper.post(self.path(rows[0], "/restore")))
        done(await self.keeper.get(self.path(rows[0])))
        refused(await self.keeper.get(self.path(rows[1])), 404, self.resource.absent.code)

    @each("verb", lambda c: _verbs(c) if "history" in c.face.routes else [])
    async def test_each_has_it_in_its_history(self, verb: str):
        """With who did it."""
        done(await self.affect(verb, id=str(self.row.id)))
        history = done(await self.keeper.get(self.path(self.row, "/history"))).json()["items"]
        assert history[0]["actor_id"] == str(self.keeper.id)

    def _body(self, verb: str) -> dict[str, Any] | None:
        if verb == "delete_all":
            return None
        schema = self.face.schema("change_all")
        for field in schema.model_fields:
            made = to_jsonable_python(getattr(self.row, field))
            for value in self.new_values(schema, field):
                if value != made:
                    return {field: value}
        raise LookupError(f"No field of {schema.__name__} has an example or a value of the factory to change rows by.")


def _ids(*rows: Any) -> str:
    return ",".join(str(row.id) for row in rows)
