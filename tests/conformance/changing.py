"""Changing a row by a JSON Merge Patch (RFC 7396): each field absent, null, and with each of its values."""

from datetime import datetime
from typing import Any

from httpx2 import Response

from shared.errors import DomainError
from tests.conformance.promises import Promises, changes, takes
from tests.conformance.requests import contents, done, pointers, refused
from tests.conformance.tried import each, needs
from tests.conformance.values import parsed


def _fields(contract: Any) -> list[str]:
    return list(contract.face.schema("change").model_fields) if "change" in contract.face.routes else []


class Changing(Promises):
    """`PATCH` on a row."""

    async def patched(self, body: dict[str, Any], **headers: str) -> Response:
        return await self.keeper.patch(self.path(self.row), json=body, headers=headers)

    @each("field", _fields)
    async def test_a_patch_changes_what_it_names_and_nothing_else(self, field: str):
        """Each value that the schema takes is kept; what is absent stays as it is (docs/guide/changing.md)."""
        schema = self.face.schema("change")
        for value in self.good_values(schema, field):
            before = await self.document(self.row)
            after = done(await self.patched({field: value})).json()
            changed = {name for name in after if after[name] != before[name]}
            assert not changed & (schema.model_fields.keys() - {field}), f"{value!r} changed {changed}."
            if field in after:
                annotation = self.face.document.model_fields[field].annotation
                kept = changes(schema, {field: value})[field]
                assert parsed(annotation, after[field]) == parsed(annotation, kept)

    @each("field", _fields)
    async def test_null_clears_a_field_where_it_may_be_null(self, field: str):
        """Elsewhere it is 422 at its pointer, and changes nothing (docs/guide/changing.md)."""
        schema = self.face.schema("change")
        done(await self.patched({field: self.good_values(schema, field)[0]}))
        before = await self.keeper.get(self.path(self.row))
        answer = await self.patched({field: None})
        if takes(schema, {field: None}):
            after = done(answer).json()
            assert after.get(field) is None
            assert after["version"] == before.json()["version"] + 1
        else:
            assert pointers(answer) == [f"/{field}"]
            assert (await self.keeper.get(self.path(self.row))).content == before.content

    @needs("change")
    async def test_a_patch_answers_the_document_that_every_later_read_answers(self):
        """Byte for byte, under the same ETag."""
        changed = done(await self.patched(self.patch(self.row)))
        read = await self.keeper.get(self.path(self.row))
        assert (read.content, read.headers["ETag"]) == (changed.content, changed.headers["ETag"])

    @needs("change")
    async def test_a_patch_raises_the_version_by_one_and_moves_the_time_on(self):
        """Every document carries its version (docs/guide/changing.md)."""
        before = await self.document(self.row)
        after = done(await self.patched(self.patch(self.row))).json()
        assert after["version"] == before["version"] + 1
        assert datetime.fromisoformat(after["updated_at"]) > datetime.fromisoformat(before["updated_at"])
        assert after["created_at"] == before["created_at"]

    @needs("change")
    async def test_a_patch_that_changes_nothing_changes_nothing(self):
        """The version stays, and the history has no entry, whether nothing is named or what is there already."""
        body = self.patch(self.row)
        done(await self.patched(body))
        before = await contents(self.stage.database)
        read = await self.keeper.get(self.path(self.row))
        for same in ({}, body, {name: read.json()[name] for name in _fields(self) if name in read.json()}):
            assert done(await self.patched(same)).content == read.content
        assert await contents(self.stage.database) == before

    @needs("change")
    async def test_a_patch_leaves_the_other_rows_alone(self):
        """To the byte."""
        other = await self.saved()
        before = await self.keeper.get(self.path(other))
        done(await self.patched(self.patch(self.row)))
        assert (await self.keeper.get(self.path(other))).content == before.content

    @needs("change")
    async def test_a_patch_is_a_merge_patch_or_plain_json_and_nothing_else(self):
        """Another kind of body is 415, and names what is taken (docs/guide/errors.md)."""
        for kind, status in (("application/merge-patch+json", 200), ("application/json", 200), ("text/plain", 415)):
            headers = {"Content-Type": kind}
            answer = await self.keeper.patch(self.path(self.row), content=b"{}", headers=headers)
            assert answer.status_code == status, kind
        assert "application/merge-patch+json" in answer.headers["Accept-Patch"]

    @needs("change")
    async def test_a_body_that_is_no_patch_is_refused(self):
        """Malformed JSON is 400, anything but an object 422; neither changes anything."""
        before = await self.keeper.get(self.path(self.row))
        for body, status in ((b"", 400), (b"null", 422), (b"[]", 422), (b'"x"', 422), (b"{", 400), (b"\xff", 400)):
            headers = {"Content-Type": "application/json"}
            answer = await self.keeper.patch(self.path(self.row), content=body, headers=headers)
            assert answer.status_code == status, body
        assert (await self.keeper.get(self.path(self.row))).content == before.content

    @needs("change")
    async def test_a_patch_refuses_every_field_that_it_does_not_have(self):
        """An unknown member is 422 at its pointer, those of the document and of the table included
        (docs/guide/changing.md).
        """
        before = await contents(self.stage.database)
        for field in {*self.face.table.c.keys(), *self.face.document.model_fields, "nonsense", ""} - {*_fields(self)}:
            assert pointers(await self.patched({field: None})) == [f"/{field}"]
        assert await contents(self.stage.database) == before

    @each("rule", lambda c: [r for r, names in c.face.rules.items() if {*names} & {*_fields(c)}])
    async def test_a_patch_obeys_the_unique_rule(self, rule: str):
        """409 with the code of the rule's error, and the row stays as it was."""
        columns = [name for name in self.face.rules[rule] if name in _fields(self)]
        values = {name: self.new_values(self.face.schema("change"), name)[-1] for name in columns}
        await self.saved(**values)
        before = await contents(self.stage.database)
        refused(await self.patched(self.patch(self.row) | values), 409, DomainError.by_constraint[rule].code)
        assert await contents(self.stage.database) == before, "What is refused changes nothing."
