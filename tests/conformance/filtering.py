"""Filters: each operator on each field, against what Python says (docs/guide/paging.md)."""

from typing import Any

from tests.conformance.listing import Listing
from tests.conformance.requests import done, ids, items, message, parameters, walk
from tests.conformance.tried import each, needs
from tests.conformance.values import HOLDS, OPERATORS, TEXT, parsed, type_of, written

HOSTILE = ("%00", "%ff", "%ed%a0%80", "x" * 5000, "%25", "1e400", "9" * 400, "0000-00-00", "infinity", "[]", "null", "")


def _fields(contract: Any) -> list[str]:
    return list(contract.face.collection.filters) if "list" in contract.face.routes else []


def _texts(contract: Any) -> list[str]:
    return [name for name in _fields(contract) if _kind(contract, name) is str and name not in contract.face.unique]


def _kind(contract: Any, field: str) -> Any:
    return type_of(contract.face.document.model_fields[field].annotation)


class Filtering(Listing):
    """`field=`, `field[operator]=`."""

    @each("field", _fields)
    async def test_an_operator_keeps_the_rows_for_which_it_holds(self, field: str):
        """Of a null, `ne` alone holds; the order stays that of the list."""
        annotation = self.face.document.model_fields[field].annotation
        varied = await self.varied(field)
        whole = await walk(self.keeper, self.face.path, limit=100)
        values = {item["id"]: parsed(annotation, item[field]) for item in whole}
        # Text is compared with text of small letters alone, which every collation orders alike.
        judged = [item["id"] for item in whole if item["id"] in varied or _kind(self, field) is not str]
        told = {written(item[field]): item[field] for item in whole if item["id"] in judged and item[field] is not None}
        told.pop("", None)
        kind = _kind(self, field)
        assert told, f"No row has a value in {field}."
        assert kind in OPERATORS, f"tests/conformance/values.py does not know what Python says of {kind}."
        for operator in OPERATORS[kind]:
            for value in list(told.values())[:4]:
                given, bound = value, parsed(annotation, value)
                if operator == "in":
                    given = [value, list(told.values())[-1]]
                    bound = [parsed(annotation, one) for one in given]
                elif (kind, operator) == (str, "contains"):
                    given = bound = value[1:].upper()
                expected = [id for id in judged if HOLDS[operator](values[id], bound)]
                params = {f"{field}[{operator}]": written(given), "limit": "100", "count": "exact"}
                answer = await self.page(**params)
                found = ids(answer)
                assert [id for id in found if id in judged] == expected, f"{field}[{operator}]={written(given)}"
                assert answer.json()["count"] == len(found)
                if operator == "eq":
                    assert ids(await self.page(**{field: written(given), "limit": "100"})) == found

    @each("field", _fields)
    async def test_an_operator_that_a_field_does_not_have_is_refused_with_those_it_has(self, field: str):
        """422, and the message lists them."""
        allowed = OPERATORS.get(_kind(self, field))
        for operator in ("like", "EQ", "eq_", "isnull", *({*TEXT} - {*(allowed or TEXT)})):
            name = f"{field}[{operator}]"
            told = message(await self.page(**{name: "x"}), name)
            assert operator not in TEXT or all(one in told for one in allowed or ())

    @needs("list")
    async def test_a_filter_of_an_unknown_field_is_refused_with_the_fields(self):
        """422, and the message lists them; what the collection does not declare is unknown, secrets above all."""
        hidden = {column.name for column in self.face.table.columns} - {*_fields(self)}
        for name in (*hidden, "nonsense", "eq", "[eq]", "id[eq", "é"):
            told = message(await self.page(**{name: "x"}), name)
            assert all(field in told for field in _fields(self))

    @each("field", _fields)
    async def test_no_value_of_a_filter_is_answered_with_a_5xx(self, field: str):
        """Whatever a client sends: 422, or a page."""
        for operator in OPERATORS.get(_kind(self, field), ("eq",)):
            for value in HOSTILE:
                answer = await self.keeper.get(f"{self.face.path}?{field}[{operator}]={value}")
                assert answer.status_code in {200, 422}, f"{field}[{operator}]={value[:20]}: {answer.text}"
        done(await self.page())

    @each("field", _texts)
    async def test_contains_takes_every_character_as_it_is_but_for_its_case(self, field: str):
        """No character of a pattern is one: `%`, `_`, `\\\\` and quotes stand for themselves."""
        longest = getattr(self.face.table.c[field].type, "length", None) or 50
        texts = [text for text in ("100%", "a_b", "axb", "c\\d", "Über", "o'clo") if len(text) <= longest]
        rows = await self.saved_all([{field: text} for text in texts])
        kept = [getattr(row, field) for row in rows]
        for part in ("%", "_", "\\", "\\%", "A_B", "ÜBER", "ber", "'", "%%", "a%b"):
            found = [item[field] for item in items(await self.page(**{f"{field}[contains]": part, "limit": "100"}))]
            expected = sorted(text for text in kept if part.lower() in text.lower())
            assert sorted(text for text in found if text in texts) == expected, part

    @each("field", lambda c: [name for name in _fields(c) if _kind(c, name) is not str][:1])
    async def test_an_array_of_values_is_by_comma_or_repeated_and_has_100_at_most(self, field: str):
        """Both are the same; each value is judged (docs/guide/paging.md)."""
        value = written(items(await self.page())[0][field])
        name = f"{field}[in]"
        by_comma = await self.page(**{name: f"{value},{value}"})
        repeated = await self.keeper.get(self.face.path, params=[(name, value), (name, value)])
        assert (repeated.status_code, repeated.json()) == (200, by_comma.json())
        for wrong in (",".join([value] * 101), f"{value},", f"{value},\0"):
            assert parameters(await self.page(**{name: wrong})) == [name]
