"""Creating a row: what comes back, what is refused, and the unique rules."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python

from shared.errors import DomainError
from shared.rows import belongings
from tests.conformance.promises import Promises, takes
from tests.conformance.requests import Write, contents, done, pointers, refused
from tests.conformance.tried import each, needs
from tests.conformance.values import parsed


class Creating(Promises):
    """`POST` on the collection."""

    async def created(self, /, **fields: Any) -> Any:
        return await Write("POST", self.face.path, self.body(**fields)).by(self.keeper)

    @needs("create")
    async def test_a_create_answers_the_document_that_every_later_read_answers(self):
        """201 with the whole document, byte for byte what a read answers, under the same ETag, and where it is: in
        `Location` (docs/guide/first-session.md).
        """
        made = await self.created()
        assert made.status_code == 201, made.text
        assert made.headers["Location"] == f"/api/v1{self.path(made.json())}"
        read = await self.keeper.get(self.path(made.json()))
        assert read.content == made.content
        assert read.headers["ETag"] == made.headers["ETag"]

    @needs("create")
    async def test_a_create_fills_in_what_every_row_has(self):
        """A UUIDv7 as its id, version 1, and the time of now in UTC."""
        document = done(await self.created()).json()
        assert UUID(document["id"]).version == 7
        assert document["version"] == 1
        assert document["created_at"] == document["updated_at"]
        assert datetime.fromisoformat(document["created_at"]).utcoffset() == timedelta(0)
        assert abs(datetime.fromisoformat(document["created_at"]) - datetime.now(UTC)) < timedelta(days=1)

    @each("field", lambda c: _shown(c, "create"))
    async def test_a_create_keeps_each_value_of(self, field: str):
        """What is sent is what is read, as the schema takes it; null is null where it is allowed."""
        schema = self.face.schema("create")
        for value in [*self.new_values(schema, field), *([None] if takes(schema, {field: None}) else [])]:
            body = self.body(**{field: value})
            document = done(await Write("POST", self.face.path, body).by(self.keeper)).json()
            kept = schema.model_validate(body).model_dump(mode="json")[field]
            if value is not None or field not in self.face.table.c or self.face.table.c[field].nullable:
                annotation = self.face.document.model_fields[field].annotation
                assert parsed(annotation, document[field]) == parsed(annotation, kept)
            done(await self.keeper.delete(self.path(document)))

    @each("field", lambda c: list(c.face.schema("create").model_fields) if "create" in c.face.routes else [])
    async def test_a_create_needs_what_the_schema_requires(self, field: str):
        """A required member that is absent is 422 at its pointer, and nothing is made."""
        is_required = self.face.schema("create").model_fields[field].is_required()
        body = {name: value for name, value in self.body().items() if name != field}
        before = await contents(self.stage.database)
        answer = await Write("POST", self.face.path, body).by(self.keeper)
        if is_required:
            assert pointers(answer) == [f"/{field}"]
            assert await contents(self.stage.database) == before
        else:
            done(answer)

    @needs("create")
    async def test_a_create_refuses_every_field_that_it_does_not_have(self):
        """An unknown member is 422 at its pointer, those of the document included (docs/guide/changing.md)."""
        known = self.face.schema("create").model_fields
        before = await contents(self.stage.database)
        for field in {*self.face.table.c.keys(), *self.face.document.model_fields, "nonsense", ""} - known.keys():
            assert pointers(await self.created(**{field: None})) == [f"/{field}"]
        assert await contents(self.stage.database) == before

    @needs("create")
    async def test_a_refusal_does_not_repeat_what_was_sent(self):
        """What a client sent may be secret (docs/guide/errors.md)."""
        wrong = {name: ["hush-hush"] * 200 for name in self.face.schema("create").model_fields}
        assert "hush" not in (await self.created(**wrong)).text

    @each("rule", lambda c: list(c.face.rules) if "create" in c.face.routes else [])
    async def test_a_create_obeys_the_unique_rule(self, rule: str):
        """409 with the code of the rule's error, and nothing is made; a deleted row stands in nobody's way."""
        first = done(await self.created(**self._of_rule(rule))).json()
        same = {name: first[name] for name in self._of_rule(rule)}
        before = await contents(self.stage.database)
        code = DomainError.by_constraint[rule].code
        refused(await self.created(**same), 409, code)
        assert await contents(self.stage.database) == before, "What is refused changes nothing."
        if "delete" in self.face.routes:
            done(await self.keeper.delete(self.path(first)))
            done(await self.created(**same))

    @each("rule", lambda c: _of_each_owner(c) if "create" in c.face.routes else [])
    async def test_the_unique_rule_is_one_for_each_owner(self, rule: str):
        """Two owners may have the same, where the rule names the owner."""
        same = self._of_rule(rule)
        await self.saved(await self.outsider(), **same)
        done(await self.created(**to_jsonable_python(same)))

    def _of_rule(self, rule: str) -> dict[str, Any]:
        """New values for the columns of a rule that a client can write."""
        columns = [name for name in self.face.rules[rule] if name in self.face.schema("create").model_fields]
        return {name: self.new_values(self.face.schema("create"), name)[-1] for name in columns}


def _shown(contract: Any, verb: str) -> list[str]:
    """The fields that the verb takes and the document shows; not those that say what a row belongs to."""
    if verb not in contract.face.routes:
        return []
    placing = {belonging.column.name for belonging in belongings(contract.face.table)}
    shown = contract.face.document.model_fields.keys() - placing
    return [name for name in contract.face.schema(verb).model_fields if name in shown]


def _of_each_owner(contract: Any) -> list[str]:
    """The unique rules that name who a row belongs to."""
    sharers = {column.name for column in contract.face.sharers}
    return [rule for rule, columns in contract.face.rules.items() if sharers & {*columns}]
