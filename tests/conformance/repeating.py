"""Idempotency keys: what the first of equal requests did is told to the others (docs/guide/retrying.md)."""

from typing import Any

import psycopg
from httpx2 import Response

from shared.auth import Principal
from tests.conformance.promises import Promises
from tests.conformance.requests import Write, contents, done, parameters, refused
from tests.conformance.tried import each, needs, writes

REPLAYED = "Idempotency-Replayed"


def _is_public(contract: Any, verb: str) -> bool:
    return verb in contract.face.routes and contract.face.is_public(verb)


def _that_may_be_refused(contract: Any) -> list[str]:
    """The writes whose declarations do not say that the row can never be absent."""
    face = contract.face
    return [
        v for v in writes(contract) if v in contract.acts or contract.resource.absent not in face.routes[v].traits.never
    ]


def is_replay(again: Response, first: Response) -> None:
    """Whether it is the first answer once more, which says so."""
    assert REPLAYED not in first.headers
    assert again.headers.get(REPLAYED) == "true", f"{again.status_code} {again.text} is no replay."
    assert (again.status_code, again.content) == (first.status_code, first.content)
    own = {"x-request-id", REPLAYED.lower()}
    told = [{name: value for name, value in answer.headers.items() if name not in own} for answer in (again, first)]
    assert told[0] == told[1]


class Repeating(Promises):
    """Every write, sent again under its key."""

    @each("verb", writes)
    async def test_the_same_request_again_is_answered_alike_and_does_nothing(self, verb: str):
        """The first outcome is replayed, with its headers, and nothing is done a second time."""
        write = await self.write(verb)
        first = done(await write.by(self.keeper, Idempotency_Key="k"))
        after = await contents(self.stage.database)
        for _ in range(2):
            is_replay(await write.by(self.keeper, Idempotency_Key="k"), first)
        assert await contents(self.stage.database) == after

    @each("verb", lambda c: c.face.verbs("change", "restore") if "delete" in c.face.routes else [])
    async def test_a_replay_tells_what_was_then(self, verb: str):
        """And not what the row has become since: its next version."""
        row = self.row if verb == "change" else await self.deleted()
        write = await self.write(verb, row)
        first = done(await write.by(self.keeper, Idempotency_Key="k"))
        done(await self.keeper.delete(self.path(row)))
        done(await self.keeper.post(self.path(row, "/restore")))
        is_replay(await write.by(self.keeper, Idempotency_Key="k"), first)

    @each("verb", writes)
    async def test_without_a_key_or_with_another_it_is_another_request(self, verb: str):
        """A key is one request's."""
        write = await self.write(verb)
        done(await write.by(self.keeper, Idempotency_Key="k"))
        assert REPLAYED not in (await write.by(self.keeper, Idempotency_Key="l")).headers
        assert REPLAYED not in (await write.by(self.keeper)).headers

    @each("verb", writes)
    async def test_another_request_with_the_key_is_refused(self, verb: str):
        """422 `idempotency_key_reused`, be it another body, another row or another verb; nothing is done."""
        write = await self.write(verb)
        first = done(await write.by(self.keeper, Idempotency_Key="k"))
        others = [Write(write.method, write.path, {"another": "body"}), await self.write(verb)]
        before = await contents(self.stage.database)
        for other in others[: 1 if verb == "create" else 2]:
            refused(await other.by(self.keeper, Idempotency_Key="k"), 422, "idempotency_key_reused")
        assert await contents(self.stage.database) == before
        is_replay(await write.by(self.keeper, Idempotency_Key="k"), first)

    @each("verb", writes)
    async def test_while_the_first_is_running_the_second_is_told_so(self, verb: str):
        """409 `idempotency_in_progress`, which may be asked again; nothing is done."""
        write = await self.write(verb)
        keyed = self.stage.application.kernel.idempotency().keyed("k", Principal(self.keeper.id))
        before = await contents(self.stage.database)
        async with await psycopg.AsyncConnection.connect(str(self.stage.settings.database_url)) as elsewhere:
            await elsewhere.execute("SELECT pg_advisory_xact_lock(%s)", [keyed.lock])
            problem = refused(await write.by(self.keeper, Idempotency_Key="k"), 409, "idempotency_in_progress")
        assert problem["retryable"] is True
        assert await contents(self.stage.database) == before
        done(await write.by(self.keeper, Idempotency_Key="k"))

    @each("verb", lambda c: [v for v in writes(c) if not _is_public(c, v)])
    async def test_a_key_is_the_callers_own(self, verb: str):
        """Another account's request with the same key is none of it: it is judged by itself."""
        write = await self.write(verb)
        done(await write.by(self.keeper, Idempotency_Key="k"))
        assert REPLAYED not in (await write.by(await self.outsider(), Idempotency_Key="k")).headers

    @each("verb", writes)
    async def test_a_refusal_is_not_kept(self, verb: str):
        """What was refused may be mended and sent under the same key: here, without a precondition that failed, or
        with a body that fits.
        """
        write = await self.write(verb)
        if verb == "create":
            assert (await Write("POST", write.path, {"nonsense": 1}).by(self.keeper, Idempotency_Key="k")).is_error
        else:
            refused(await write.by(self.keeper, Idempotency_Key="k", If_Match='"99-x"'), 412, "version_mismatch")
        first = done(await write.by(self.keeper, Idempotency_Key="k"))
        is_replay(await write.by(self.keeper, Idempotency_Key="k"), first)

    @each("verb", _that_may_be_refused)
    async def test_who_has_lost_their_rights_gets_no_replay(self, verb: str):
        """Authorisation is checked again before a replay: it is answered as a fresh request is, and nothing of the
        first answer is shown.
        """
        row = await self.deleted() if verb == "restore" else self.row
        write = await self.write(verb, row)
        first = done(await write.by(self.keeper, Idempotency_Key="k"))
        if verb == "create":
            row = await self.found(first.json()["id"])
        await self.dispossess(self.keeper, row)
        before = await contents(self.stage.database)
        again = await write.by(self.keeper, Idempotency_Key="k")
        assert REPLAYED not in again.headers, "The answer was told to who may not see it any more."
        assert again.status_code in {403, 404}, again.text
        assert await contents(self.stage.database) == before
        if verb != "create":
            fresh = await write.by(self.keeper)
            assert (again.status_code, again.json()["code"]) == (fresh.status_code, fresh.json()["code"])

    @needs("create")
    async def test_a_key_may_be_in_quotes_and_has_255_characters_at_most(self):
        """1 to 255 printable characters, bare or as a string; any other is 422."""
        write, longest = await self.write("create"), "x y" * 85
        first = done(await write.by(self.keeper, Idempotency_Key=longest))
        is_replay(await write.by(self.keeper, Idempotency_Key=f'"{longest}"'), first)
        for key in ("", "x" * 256, "a\tb", '"'):
            answer = await write.by(self.keeper, Idempotency_Key=key)
            assert parameters(answer) == ["Idempotency-Key"]
