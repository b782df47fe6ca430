"""Each type of column through all that a resource has: requests, documents, filters, sorts, files, and its history."""

import csv
import json
from decimal import Context, localcontext
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from modules.users.models import Role
from shared.http.imports.lines import json_fields
from tests.types.samples import FIELDS, SUMS, UNSORTED, SampleCreate, SampleRead
from tests.types.values import BAD, GOOD, OPERATORS, WORDS

SORTED = [name for name in FIELDS if name not in UNSORTED]
NDJSON, CSV = "application/x-ndjson", "text/csv"


def raw(body: Any) -> dict[str, Any]:
    """A body as JSON text: half of a surrogate pair can be spelt, but not encoded."""
    return {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}


async def saved(caller, **columns):
    created = await caller.post("/samples", **raw(columns))
    assert created.status_code == 201, created.text
    return created.json()


async def listed(caller, name, **parameters):
    """The values of a field in a list, all of its pages."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await caller.get("/samples", params={"sort": "created_at", **parameters, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [item[name] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def as_parameter(value):
    """A value in a query string; of a list, all elements."""
    if isinstance(value, list):
        return ",".join(map(as_parameter, value))
    return value if isinstance(value, str) else json.dumps(value)


def read(value, exact=2**63):
    """A value as clients read it: 1e300, and a one with 300 zeros, are the same number in JSON."""
    if isinstance(value, dict):
        return {name: read(one, 2**53) for name, one in value.items()}
    if isinstance(value, list):
        return [read(one, exact) for one in value]
    return float(value) if isinstance(value, int) and abs(value) > exact else value


def meaning(name, value):
    """What Python makes of a field of a document."""
    blank = {**dict.fromkeys(SampleRead.model_fields), **BLANK}
    return read(getattr(SampleRead.model_validate({**blank, name: value}), name))


BLANK = {
    **dict.fromkeys(("id", "owner_id"), "00000000-0000-0000-0000-000000000000"),
    **dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z"),
    "version": 1,
}


@pytest.mark.parametrize("name", FIELDS)
class TestAValue:
    async def test_comes_back_as_it_was_sent_and_can_be_changed_and_cleared(self, ann, name):
        for value in GOOD[name]:
            path = f"/samples/{(await saved(ann, **{name: value}))['id']}"
            assert read((await ann.get(path)).json()[name]) == read(value)
            cleared = await ann.patch(path, json={name: None})
            assert (cleared.status_code, cleared.json()[name], cleared.json()["version"]) == (200, None, 2)
            changed = await ann.patch(path, json={name: value})
            kept = value
            if name == "settings":  # In a merge patch, null is no value: see below.
                kept = {member: one for member, one in value.items() if one is not None}
            assert (changed.status_code, read(changed.json()[name]), changed.json()["version"]) == (200, read(kept), 3)
            same = await ann.patch(path, json={name: value})
            assert (same.status_code, same.json()["version"]) == (200, 3)

    async def test_is_told_by_the_history_as_the_document_shows_it(self, ann, name):
        for value in GOOD[name]:
            path = f"/samples/{(await saved(ann, **{name: value}))['id']}"
            await ann.patch(path, json={name: None})
            changed, created = (await ann.get(f"{path}/history")).json()["items"]
            assert read(created["after"][name]) == read(changed["before"][name]) == read(value)
            assert changed["after"][name] is None

    async def test_that_is_wrong_is_refused_with_its_place(self, ann, name):
        sample = await saved(ann)
        for value in BAD[name]:
            for answer in (
                await ann.post("/samples", **raw({name: value})),
                await ann.patch(f"/samples/{sample['id']}", **raw({name: value})),
            ):
                assert answer.status_code == 422, (value, answer.text)
                assert all(f"{error['pointer']}/".startswith(f"/{name}/") for error in answer.json()["errors"])

    async def test_survives_a_file_and_the_way_back(self, ann, name):
        for media_type in (NDJSON, CSV):
            for value in [*GOOD[name], None]:
                await saved(ann, **{name: value, "prose": "x"} if name != "prose" else {name: value, "line": "x"})
            other = "line" if name == "prose" else "prose"
            export = await ann.get(
                "/samples/export", params={"fields": f"{name},{other}"}, headers={"Accept": media_type}
            )
            before = await listed(ann, name, sort="created_at")
            sent = {"content": export.content, "headers": {"Content-Type": media_type}}
            imported = await ann.post("/samples/import", **sent)
            assert imported.status_code == 200, imported.text
            after = await listed(ann, name)
            assert sorted(map(json.dumps, after)) == sorted(map(json.dumps, [*before, *before]))

    async def test_that_is_wrong_in_a_file_is_told_by_its_line(self, ann, name):
        for media_type in (NDJSON, CSV):
            wrong = [value for value in BAD[name] if media_type == NDJSON or fits_a_cell(name, value)]
            answer = await ann.post(
                "/samples/import", content=as_file(media_type, name, wrong), headers={"Content-Type": media_type}
            )
            assert answer.status_code == 422, answer.text
            assert answer.json()["failed"] == len(wrong)
            assert all(f"{e['pointer']}/".startswith((f"/{name}/", "/")) for e in answer.json()["errors"])

    async def test_is_described_to_clients(self, app, name):
        document = app.openapi()
        for schema in ("SampleCreate", "SampleUpdate"):
            declared = document["components"]["schemas"][schema]["properties"][name]["anyOf"][0]
            assert {key: value for key, value in declared.items() if key != "examples"} == WORDS[name]
        kept = {key: value for key, value in WORDS[name].items() if key in {"type", "$ref"}}
        shown = document["components"]["schemas"]["SampleRead"]["properties"][name]["anyOf"][0]
        assert kept.items() <= shown.items()
        told = document["components"]["schemas"]["SamplesValues"]["properties"][name]["anyOf"][0]
        assert "$ref" in kept or kept["type"] == told["type"]

    async def test_has_the_operators_of_its_type_each_with_an_example_that_works(self, app, ann, name):
        parameters = app.openapi()["paths"]["/api/v1/samples"]["get"]["parameters"]
        of_it = {p["name"]: p for p in parameters if p["name"] == name or p["name"].startswith(f"{name}[")}
        named = {f"{name}[{operator}]" if operator != "eq" else name for operator in OPERATORS[name]}
        assert of_it.keys() == named
        for parameter in of_it.values():
            (example,) = parameter["schema"]["examples"]
            answer = await ann.get("/samples", params={parameter["name"]: as_parameter(example)})
            assert answer.status_code == 200, answer.text

    async def test_that_is_wrong_as_a_filter_is_refused_with_its_parameter(self, ann, name):
        for operator in OPERATORS[name]:
            parameter = f"{name}[{operator}]"
            for text in ("\0", "\ud800", "x" * 5000, "[" * 1000, "1e400", "NaN", "infinity", "9" * 5000, "{"):
                quoted = "".join(f"%{byte:02x}" for byte in text.encode(errors="surrogatepass"))
                answer = await ann.get(f"/samples?{parameter}={quoted}")
                assert answer.status_code in {200, 422}, answer.text
                if answer.status_code == 422:
                    assert answer.json()["errors"][0]["parameter"] == parameter


class TestAFilter:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("small", 2**15), ("number", 2**31), ("big", 2**63 - 1), ("price", "10000000000"), ("price", "0.105")],
    )
    async def test_of_a_value_that_the_column_cannot_hold_compares_it(self, ann, name, value):
        """It is neither rounded to one that it can hold, nor refused."""
        least = (await saved(ann, **{name: GOOD[name][0]}))["id"]
        for operator, found in (("eq", []), ("lt", [least]), ("gt", []), ("ne", [least]), ("in", [])):
            answer = await ann.get("/samples", params={f"{name}[{operator}]": str(value)})
            assert answer.status_code == 200, answer.text
            assert [item["id"] for item in answer.json()["items"]] == found


class TestTheJournal:
    async def test_shows_decimals_and_durations_as_documents_do(self, ann, signed_in):
        """PostgreSQL keeps the one as a number, and the other as the session writes it."""
        sample = await saved(ann, price="0.10", amount="12.5", period="-P1DT2H")
        root = await signed_in(role=Role.ADMIN)
        (entry,) = (await root.get("/journal", params={"subject_id": sample["id"]})).json()["items"]
        shown = {name: entry["after"][name] for name in ("price", "amount", "period", "number")}
        assert shown == {"price": "0.10", "amount": "12.5", "period": "-P1DT2H", "number": None}


class TestAQuery:
    async def test_takes_each_kind_of_filter_in_its_body(self, ann):
        await saved(ann, settings={"a": 1}, labels=["x", "y"], price="1.50", flag=True, number=3)
        asked = {"settings[contains]": '{"a": 1}', "labels[contains]": ["y", "x"], "price[lt]": "2", "flag": True}
        answer = await ann.request("QUERY", "/samples", json=asked | {"number[in]": [3, 4]})
        assert [item["number"] for item in answer.json()["items"]] == [3]


def fits_a_cell(name, value):
    """Whether a CSV has a cell for a wrong value, which the reader does not take for a good one or for none."""
    try:
        as_cell(name, value).encode()
    except UnicodeEncodeError:
        return False
    if as_cell(name, value) == "":
        return False
    return name in json_fields(SampleCreate) or isinstance(value, str)


def as_cell(name, value):
    return value if isinstance(value, str) and name not in json_fields(SampleCreate) else json.dumps(value)


def as_file(media_type, name, values):
    if media_type == NDJSON:
        return "\n".join(json.dumps({name: value}) for value in values)
    text = StringIO()
    csv.writer(text).writerows([[name], *([as_cell(name, value)] for value in values)])
    return text.getvalue()


@pytest.mark.parametrize("name", SORTED)
class TestAFieldWithAnOrder:
    async def test_sorts_over_pages_with_ties_and_nulls(self, ann, name):
        values = GOOD[name]
        for value in [*values, values[0], None, values[-1], None]:
            await saved(ann, **{name: value})
        ascending = [values[0], *values, values[-1], None, None]
        for limit in (1, 3):
            assert await listed(ann, name, sort=name, limit=limit) == ascending
            assert await listed(ann, name, sort=f"-{name}", limit=limit) == ascending[::-1]

    async def test_is_compared_by_each_operator(self, ann, name):
        values = GOOD[name]
        for value in [*values, None]:
            await saved(ann, **{name: value})
        for n, value in enumerate(values):
            text = as_parameter(value)
            expected = {
                "eq": [value],
                "ne": [*values[:n], *values[n + 1 :], None],
                "lt": values[:n],
                "lte": values[: n + 1],
                "gt": values[n + 1 :],
                "gte": values[n:],
            }
            for operator in OPERATORS[name] & expected.keys():
                assert await listed(ann, name, **{f"{name}[{operator}]": text}) == expected[operator], operator
            if "," not in text:
                assert await listed(ann, name, **{f"{name}[in]": text}) == [value]


class TestAListOfTexts:
    @pytest.fixture(autouse=True)
    async def rows(self, ann):
        for value in ([], ["a"], ["a", "b"], ["c", "a"], None):
            await saved(ann, labels=value)

    @pytest.mark.parametrize(
        ("filter", "text", "expected"),
        [
            ("labels[contains]", "a", [["a"], ["a", "b"], ["c", "a"]]),
            ("labels[contains]", "a,c", [["c", "a"]]),
            ("labels[contains]", "A", []),
            ("labels[overlaps]", "b,c,d", [["a", "b"], ["c", "a"]]),
            ("labels[overlaps]", "d", []),
        ],
    )
    async def test_is_asked_for_all_or_any_of_its_elements(self, ann, filter, text, expected):
        assert await listed(ann, "labels", **{filter: text}) == expected

    async def test_takes_a_parameter_that_is_repeated(self, ann):
        answer = await ann.get("/samples?labels[contains]=a&labels[contains]=b")
        assert [item["labels"] for item in answer.json()["items"]] == [["a", "b"]]


class TestAListOfAnEnumeration:
    async def test_is_asked_for_all_or_any_of_its_members(self, ann):
        for value in ([], ["dark"], ["light", "dark"], None):
            await saved(ann, shades=value)
        assert await listed(ann, "shades", **{"shades[contains]": "dark"}) == [["dark"], ["light", "dark"]]
        assert await listed(ann, "shades", **{"shades[contains]": "dark,light"}) == [["light", "dark"]]
        assert await listed(ann, "shades", **{"shades[overlaps]": "light"}) == [["light", "dark"]]
        answer = await ann.get("/samples", params={"shades[overlaps]": "red"})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "shades[overlaps]")


class TestAnObject:
    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({}, True),
            ({"a": 1}, True),
            ({"a": 1.0}, True),
            ({"b": {"c": [2]}}, True),
            ({"b": {"c": [4]}}, False),
            ({"d": None}, True),
            ({"e": None}, False),
            ({"a": True}, False),
            ({"a": "1"}, False),
        ],
    )
    async def test_is_found_by_what_it_contains(self, ann, asked, found):
        await saved(ann, settings={"a": 1, "b": {"c": [1, 2, 3]}, "d": None})
        await saved(ann)
        assert len(await listed(ann, "settings", **{"settings[contains]": json.dumps(asked)})) == found

    @pytest.mark.parametrize(
        "text", ["", "1", "[]", '"x"', "null", "{", '{"a": NaN}', '{"a": 1e400}', '{"a": "\\u0000"}']
    )
    async def test_is_what_its_filter_takes(self, ann, text):
        answer = await ann.get("/samples", params={"settings[contains]": text})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "settings[contains]")

    async def test_has_at_most_100_000_bytes_and_50_levels(self, ann):
        within = {"a": "x" * (100_000 - len('{"a":""}'))}
        assert (await saved(ann, settings=within))["settings"] == within
        over = await ann.post("/samples", json={"settings": {"a": within["a"] + "x"}})
        assert (over.status_code, over.json()["errors"][0]["code"]) == (422, "json_size")
        for levels, status in ((49, 201), (51, 422)):
            deep = "{" + '"a":{' * (levels - 1) + "}" * levels
            answer = await ann.post("/samples", **raw({"settings": json.loads(deep)}))
            assert answer.status_code == status, answer.text

    @pytest.mark.parametrize(
        ("present", "patch", "merged"),
        [
            (None, {"a": 1, "b": None}, {"a": 1}),
            ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
            ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
            ({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": {"e": 3}}}, {"a": {"c": 2, "d": {"e": 3}}}),
            ({"a": {"b": 1}}, {"a": [None]}, {"a": [None]}),
            ({"a": 1}, {"a": True}, {"a": True}),
            ({"a": 1}, {}, {"a": 1}),
        ],
    )
    async def test_is_merged_into_the_one_that_is_there(self, ann, present, patch, merged):
        """RFC 7396 §2: who changes one member must not lose the others."""
        path = f"/samples/{(await saved(ann, settings=present))['id']}"
        changed = await ann.patch(path, json={"settings": patch})
        assert (changed.status_code, json.dumps(changed.json()["settings"])) == (200, json.dumps(merged))
        assert changed.json()["version"] == (
            1 if merged == present and json.dumps(merged) == json.dumps(present) else 2
        )

    async def test_does_not_grow_beyond_its_bound_by_patches(self, ann):
        path = f"/samples/{(await saved(ann, settings={'a': 'x' * 60_000}))['id']}"
        over = await ann.patch(path, json={"settings": {"b": "x" * 60_000}})
        assert (over.status_code, over.json()["errors"][0]["pointer"]) == (422, "/settings")

    @pytest.mark.parametrize("number", ["1e400", "-1e400"])
    async def test_has_no_number_that_is_out_of_range(self, ann, number):
        body = f'{{"settings": {{"a": [{number}]}}}}'
        answer = await ann.post("/samples", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/settings/a")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TEXTS = {
    "at": st.datetimes().map(lambda at: f"{at.isoformat()}Z")
    | st.from_regex(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\Z"),
    "day": st.dates().map(str),
    "clock": st.times().map(lambda clock: clock.isoformat()),
    "price": st.from_regex(r"\A-?[0-9]{1,11}(\.[0-9]{1,3})?\Z"),
    "amount": st.from_regex(r"\A-?[0-9]{1,41}(\.[0-9]{1,41})?\Z"),
    "period": st.from_regex(r"\A-?P([0-9]{1,9}D)?(T([0-9]{1,9}H)?([0-9]{1,4}M)?([0-9]{1,9}(\.[0-9]{1,6})?S)?)?\Z"),
    "small": st.integers(-(2**15) - 2, 2**15 + 2),
    "number": st.integers(-(2**31) - 2, 2**31 + 2),
    "big": st.integers(-(2**63) - 2, 2**63 + 2),
    "ratio": st.floats(),
    "reference": st.uuids().map(str),
    "settings": st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    "labels": st.lists(st.text(max_size=5), max_size=3),
    "shades": st.lists(st.sampled_from(["dark", "light", "red"]), max_size=3),
    "link": st.text(max_size=20).map(lambda rest: f"https://{rest}")
    | st.from_regex(r"\Ahttps?://[a-zäß.]{1,9}(:[0-9]{1,6})?/.{0,9}\Z"),
    "mail": st.text(max_size=9).map(lambda name: f"{name}@example.com") | st.emails(),
}


@pytest.mark.parametrize("name", FIELDS)
class TestAnyValue:
    """What the schema accepts is stored and comes back equal; what it refuses is 422 with a pointer. Never 5xx."""

    @given(data=st.data())
    @settings(max_examples=15)
    async def test_is_stored_as_pydantic_reads_it_or_is_refused(self, ann, name, data):
        value = data.draw(TEXTS.get(name, st.text()) | st.sampled_from(GOOD[name] + BAD[name]) | JSON)
        answer = await ann.post("/samples", **raw({name: value}))
        try:
            expected = getattr(SampleCreate.model_validate({name: value}), name)
        except ValidationError:
            assert answer.status_code in {400, 422}, answer.text  # 400: such as NaN, which is no JSON.
            if answer.status_code == 422:
                assert all(f"{error['pointer']}/".startswith(f"/{name}/") for error in answer.json()["errors"])
        else:
            assert answer.status_code == 201, answer.text
            assert meaning(name, answer.json()[name]) == read(expected)


class TestTotals:
    @pytest.mark.parametrize("name", SORTED)
    async def test_are_grouped_by_values_as_they_are_told(self, ann, name):
        told = [(await saved(ann, **{name: value}))[name] for value in [*GOOD[name], None, None]]
        answer = await ann.get("/samples/summary", params={"group_by": name})
        assert answer.status_code == 200, answer.text
        groups = answer.json()["groups"]
        assert {json.dumps(group["by"][name]) for group in groups} == {json.dumps(value) for value in told}
        assert sum(group["count"] for group in groups) == len(told)

    @pytest.mark.parametrize("name", SUMS)
    async def test_are_exact(self, ann, name):
        values = [meaning(name, (await saved(ann, **{name: value}))[name]) for value in [*GOOD[name], None]]
        answer = await ann.get("/samples/summary")
        with localcontext(Context(prec=100)):
            # In this order, no sum on the way is larger than what a timedelta holds.
            given = sorted((value for value in values if value is not None), key=abs)
            total = sum(given, start=type(given[0])(0))
        assert meaning(name, answer.json()["sums"][name]) == total

    async def test_of_no_rows_are_zero(self, ann):
        sums = (await ann.get("/samples/summary")).json()["sums"]
        assert sums == {"price": "0", "amount": "0", "period": "PT0S", "small": 0, "number": 0, "big": 0}

    async def test_of_durations_that_add_up_to_more_than_there_is_are_refused(self, ann):
        for _ in range(3):
            await saved(ann, period="P999999999D")
        answer = await ann.get("/samples/summary")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
