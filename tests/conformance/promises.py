"""What every family of promises shares: requests, and the values in them."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from tests.callers import Caller
from tests.conformance.faces import PLACES
from tests.conformance.requests import Write, done
from tests.conformance.rows import Rows
from tests.conformance.values import FORMATTED, samples, type_of


class Promises(Rows):
    """The base of the families. A module overrides `body` where a good one cannot be derived."""

    actions: ClassVar[dict[str, str]] = {"change": "change", "delete": "delete", "restore": "restore"}
    """The action of the policy that each verb asks for."""

    def body(self, /, **fields: Any) -> dict[str, Any]:
        """A good body for a new row: the factory's values, and the schema's examples for what else is required."""
        schema = self.face.schema("create")
        row = self.factory.build(**self.columns)
        found = {}
        for name, field in schema.model_fields.items():
            value = getattr(row, name, None)
            if value is not None:
                found[name] = to_jsonable_python(value)
            elif field.is_required():
                found[name] = (field.examples or [None])[0]
        return found | fields

    def path(self, row: Any, more: str = "") -> str:
        """The path of a row, given itself, its id, or its document."""
        id = row if isinstance(row, str | UUID) else row["id"] if isinstance(row, dict) else row.id
        return f"{self.face.path}/{id}{more}"

    async def document(self, row: Any, caller: Caller | None = None) -> dict[str, Any]:
        """What its keeper reads of it."""
        found: dict[str, Any] = done(await (caller or self.keeper).get(self.path(row))).json()
        return found

    async def write(self, verb: str, row: Any = None) -> Write:
        """A request that the keeper may make: about the row, or about a new one that is ready for it."""
        if row is None:
            row = await self.deleted() if verb == "restore" else await self.saved()
        if verb in self.acts:
            found: Write = await getattr(self, verb)(row)
            return found
        bodies = {"create": self.body, "change": lambda: self.patch(row)}
        method, path = PLACES[verb]
        return Write(method, self.face.path + path.format(row.id), bodies.get(verb, lambda: None)())

    def action(self, verb: str) -> str:
        """The action of the policy that a write asks for."""
        return self.acts[verb].action if verb in self.acts else self.actions[verb]

    def patch(self, row: Any) -> dict[str, Any]:
        """A body that changes the row."""
        schema = self.face.schema("change")
        fields = [name for name in schema.model_fields if name in self.face.document.model_fields]
        for candidates in (self.new_values, self._other_values):
            for field in fields:
                there = to_jsonable_python(getattr(row, field, None))
                for value in reversed(candidates(schema, field)):
                    if changes(schema, {field: value})[field] != there:
                        return {field: value}
        raise LookupError(f"No field of {schema.__name__} has an example or a value of the factory to change a row by.")

    def new_values(self, schema: type[BaseModel], field: str) -> list[Any]:
        """Values that the schema takes for a field, as JSON: the factory's, the examples, every member of an
        enumeration, both booleans. Of a reference: what `context` gives.
        """
        made = to_jsonable_python(getattr(self.factory.build(**self.columns), field, None))
        if field in self.face.table.c and self.face.table.c[field].foreign_keys:
            return [] if made is None else [made]  # An example refers to a row that is not there.
        told = schema.model_json_schema()
        described = [told["properties"][field], *told["properties"][field].get("anyOf", ())]
        described += [told["$defs"][one["$ref"].rpartition("/")[2]] for one in described if "$ref" in one]
        values = [value for one in described for value in one.get("enum", [])]
        values += [value for one in described if one.get("type") == "boolean" for value in (True, False)]
        values += schema.model_fields[field].examples or []
        return [value for value in [*values, made] if value is not None and takes(schema, {field: value})]

    def good_values(self, schema: type[BaseModel], field: str) -> list[Any]:
        """The same, and there has to be one."""
        values = self.new_values(schema, field)
        assert values, f"No example of {field} fits: give a value in the factory, or in `context` if it is an id."
        return values

    def _other_values(self, schema: type[BaseModel], field: str) -> list[Any]:
        """Values of the field's type, where the factory and the examples have one alone."""
        known = self.face.model.model_fields
        if field not in known or self.face.table.c[field].foreign_keys:
            return []
        annotation = known[field].annotation
        values = [*samples(annotation, is_unique=False), *FORMATTED.get(type_of(annotation), ())]
        made = [to_jsonable_python(value) for value in values]
        return [value for value in made if value is not None and takes(schema, {field: value})]


def takes(schema: type[BaseModel], body: dict[str, Any]) -> bool:
    """Whether nothing is wrong with these fields of a body."""
    try:
        schema.model_validate(body)
    except ValidationError as error:
        return not any(one["loc"][0] in body for one in error.errors())
    return True


def changes(schema: type[BaseModel], body: dict[str, Any]) -> dict[str, Any]:
    """What a patch asks for, as a document shows it."""
    found: dict[str, Any] = schema.model_validate(body).model_dump(mode="json", exclude_unset=True)
    return found
