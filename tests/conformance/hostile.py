"""What no client should send, in each field of a body: it is refused, or kept and read again, and never a 5xx."""

from typing import Any

from httpx2 import Response

from tests.conformance.promises import Promises
from tests.conformance.requests import as_json, done, items, pointers
from tests.conformance.tried import each, needs
from tests.conformance.values import HOSTILE

JSON = {"Content-Type": "application/json"}


def _fields(verb: str) -> Any:
    return lambda contract: list(contract.face.schema(verb).model_fields) if verb in contract.face.routes else []


class Hostile(Promises):
    """Bodies."""

    @each("field", _fields("create"))
    async def test_no_value_in_a_create_is_answered_with_a_5xx(self, field: str):
        """What is refused is named by its pointer; what is taken is read again byte for byte."""
        body = self.body()
        for value in HOSTILE:
            rest = as_json({name: one for name, one in body.items() if name != field} | {"": ""})
            content = rest.replace(b'"": ""', b'"%b": %b' % (field.encode(), value.encode()))
            answer = await self.keeper.post(self.face.path, content=content, headers=JSON)
            await self._is_survived(field, value, answer)

    @each("field", _fields("change"))
    async def test_no_value_in_a_patch_is_answered_with_a_5xx(self, field: str):
        """Likewise; what is refused changes nothing."""
        for value in HOSTILE:
            before = await self.keeper.get(self.path(self.row))
            content = b'{"%b": %b}' % (field.encode(), value.encode())
            answer = await self.keeper.patch(self.path(self.row), content=content, headers=JSON)
            await self._is_survived(field, value, answer)
            if answer.is_error:
                assert (await self.keeper.get(self.path(self.row))).content == before.content

    @needs("create")
    async def test_no_name_of_a_field_is_answered_with_a_5xx(self):
        """Half a character, a NUL and the like, as names."""
        for name in ("\\ud800", "\\u0000", "", "x" * 5000, "__proto__", "/a~b"):
            content = b'{"%b": 1}' % name.encode()
            for method, path in (("POST", self.face.path), ("PATCH", self.path(self.row))):
                answer = await self.keeper.request(method, path, content=content, headers=JSON)
                assert answer.status_code in {400, 405, 422}, f"{name[:20]}: {answer.text}"

    async def _is_survived(self, field: str, value: str, answer: Response) -> None:
        told = f"{field}: {value[:40]} is answered with {answer.status_code} {answer.text[:200]}"
        assert answer.status_code < 500, told
        if answer.status_code == 422 and answer.json()["code"] == "invalid_input":
            assert all(one == f"/{field}" or one.startswith(f"/{field}/") or one == "" for one in pointers(answer)), (
                told
            )
            return
        if answer.is_error:
            assert answer.status_code in {400, 403, 404, 409, 413, 422}, told
            return
        read = await self.keeper.get(self.path(answer.json()))
        assert (read.status_code, read.content) == (200, answer.content), told
        assert answer.json() in items(await self.keeper.get(self.face.path)), told
        if "history" in self.face.routes:
            done(await self.keeper.get(self.path(answer.json(), "/history")))
