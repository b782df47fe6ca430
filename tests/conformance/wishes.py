"""Dry runs and short answers: the same write, kept or not, told or not (docs/guide/changing.md)."""

from typing import Any

from tests.conformance.promises import Promises
from tests.conformance.requests import Write, contents, done, parameters, refused
from tests.conformance.tried import each, row_writes, writes

MINIMAL = "return=minimal"


class Wishes(Promises):
    """`?dry_run=true`, and `Prefer: return=minimal` (RFC 7240 §4.2)."""

    @each("verb", writes)
    async def test_a_dry_run_answers_as_the_write_and_keeps_nothing(self, verb: str):
        """It does everything but commit, and answers what would be."""
        write = await self.write(verb)
        before = await contents(self.stage.database)
        dry = done(await write.by(self.keeper, dry_run=True))
        assert await contents(self.stage.database) == before, "A dry run keeps nothing."
        real = done(await write.by(self.keeper))
        assert dry.status_code == real.status_code
        assert dry.headers.keys() - {"content-length"} == real.headers.keys() - {"content-length"}
        if real.content:
            chance = {"updated_at", *(self._of_chance(real.json()) if real.status_code == 201 else ())}
            assert _without(dry.json(), chance) == _without(real.json(), chance)

    @each("verb", writes)
    async def test_a_dry_run_under_a_key_is_not_kept(self, verb: str):
        """The write that follows under the same key is made, and no replay."""
        write = await self.write(verb)
        before = await contents(self.stage.database)
        done(await write.by(self.keeper, dry_run=True, Idempotency_Key="k"))
        assert await contents(self.stage.database) == before, "A dry run keeps nothing."
        assert "Idempotency-Replayed" not in done(await write.by(self.keeper, Idempotency_Key="k")).headers

    @each("verb", row_writes)
    async def test_a_dry_run_of_a_refusal_is_the_refusal(self, verb: str):
        """It is checked like the write: who may, and which version."""
        write = await self.write(verb)
        refused(await write.by(self.keeper, dry_run=True, If_Match='"99-x"'), 412, "version_mismatch")
        outsider = await self.outsider()
        dry, real = await write.by(outsider, dry_run=True), await write.by(outsider)
        assert (dry.status_code, dry.json()["code"]) == (real.status_code, real.json()["code"])

    @each("verb", writes)
    async def test_a_dry_run_is_true_or_false(self, verb: str):
        """Anything else is 422, and nothing is changed: no client gets the real change for a slip of the pen."""
        write = await self.write(verb)
        before = await contents(self.stage.database)
        for given in ("", "1", "True", "no", "%00", "true&dry_run=false"):
            answer = await Write(write.method, f"{write.path}?dry_run={given}", write.body).by(self.keeper)
            assert parameters(answer) == ["dry_run"]
        assert await contents(self.stage.database) == before

    @each("verb", writes)
    async def test_a_minimal_answer_has_no_document(self, verb: str):
        """204, or 201 with `Location` to what makes a row; its ETag is that of the document which is left out."""
        row = await self.deleted() if verb == "restore" else await self.saved()
        answer = done(await (await self.write(verb, row)).by(self.keeper, Prefer=MINIMAL))
        assert answer.content == b""
        assert answer.status_code == (201 if "Location" in answer.headers else 204)
        assert ("Location" in answer.headers) == (verb == "create") or verb in self.acts
        if "ETag" not in answer.headers:
            assert verb not in {"create", "change", "restore"}
            return
        assert answer.headers["Preference-Applied"] == MINIMAL
        assert "Content-Type" not in answer.headers
        path = answer.headers.get("Location", f"/api/v1{self.path(row)}")
        assert (await self.keeper.get(f"http://test{path}")).headers["ETag"] == answer.headers["ETag"]

    @each("verb", writes)
    async def test_a_minimal_answer_is_given_to_a_replay_and_a_dry_run(self, verb: str):
        """What is preferred of the answer is no part of what was asked: the whole one is still there."""
        write = await self.write(verb)
        assert done(await write.by(self.keeper, dry_run=True, Prefer=MINIMAL)).content == b""
        first = done(await write.by(self.keeper, Prefer=MINIMAL, Idempotency_Key="k"))
        again = done(await write.by(self.keeper, Idempotency_Key="k"))
        assert first.content == b""
        assert again.headers["Idempotency-Replayed"] == "true"
        assert bool(again.content) == ("ETag" in first.headers)
        assert again.headers.get("ETag") == first.headers.get("ETag")

    @each("verb", row_writes)
    async def test_a_refusal_is_told_whole_whatever_is_preferred(self, verb: str):
        """A problem is no document that could be left out."""
        write = await self.write(verb)
        assert (await write.by(await self.outsider(), Prefer=MINIMAL)).json()["detail"]
        refused(await write.by(self.keeper, Prefer=MINIMAL, If_Match='"99-x"'), 412, "version_mismatch")

    def _of_chance(self, document: dict[str, Any]) -> set[str]:
        """The members of a new document that are made anew: times, and what holds the id."""
        return {"id", "created_at"} | {
            name for name, value in document.items() if isinstance(value, str) and document["id"][-8:] in value
        }


def _without(document: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
