"""What holds of any two documents: nothing is overlooked, and what is called harmless is."""

import copy
import json
import re
from itertools import chain

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.openapi.differences import differences
from tests.openapi.fields import FIELDS
from tests.openapi.operations import operations, reachable
from tests.openapi.plants import contract_changes, planted, sets
from tests.openapi.schemas import SchemaDifferences, Way
from tests.openapi.validity import allows

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "", "a", "bb", "ccc"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
SMALL = st.integers(0, 3)


def some(**keywords):
    """A schema with any of these keywords."""
    return st.fixed_dictionaries({}, optional=keywords)


def schemas(*, are_open):
    """Small schemas of every kind. Objects may get further members in answers only: in requests they are closed."""
    plain = st.one_of(
        some(type=st.just("string"), minLength=SMALL, maxLength=SMALL, pattern=st.sampled_from(["a", "^b"])),
        some(type=st.sampled_from(["integer", "number"]), minimum=st.integers(-2, 2), maximum=st.integers(-2, 2)),
        some(
            type=st.lists(st.sampled_from(["string", "null", "integer", "number", "boolean"]), min_size=1, unique=True)
        ),
        st.builds(lambda values: {"enum": values}, st.lists(VALUES, min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, VALUES),
    )

    def composed(inner):
        members = st.dictionaries(NAMES, inner, max_size=3)
        closed = {} if are_open else {"additionalProperties": False}
        return st.one_of(
            st.builds(
                lambda properties, required: {
                    "type": "object",
                    "properties": properties,
                    "required": sorted(required & properties.keys()),
                    **closed,
                },
                members,
                st.sets(NAMES),
            ),
            some(type=st.just("array"), items=inner, minItems=SMALL, maxItems=SMALL),
            st.builds(lambda members: {"anyOf": members}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda members: {"allOf": members}, st.lists(inner, min_size=1, max_size=2)),
        )

    return st.recursive(plain, composed, max_leaves=4)


def without_breaks(old, new, way):
    found = list(SchemaDifferences({}, {}).between(old, new, "the body"))
    return not any(way in each.breaks for each in found)


class TestWhatIsHarmless:
    """Judged by values: those that were sent are still taken, those that are answered were possible before."""

    @settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
    @given(schemas(are_open=False), schemas(are_open=False), st.lists(VALUES, min_size=5, max_size=20))
    def test_in_requests_keeps_every_request_right(self, old, new, values):
        assume(without_breaks(old, new, Way.REQUEST))
        assert [value for value in values if allows(old, value) and not allows(new, value)] == []

    @settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
    @given(schemas(are_open=True), schemas(are_open=True), st.lists(VALUES, min_size=5, max_size=20))
    def test_in_answers_answers_nothing_unknown(self, old, new, values):
        assume(without_breaks(old, new, Way.ANSWER))
        assert [value for value in values if allows(new, value) and not allows(old, value)] == []

    @given(schemas(are_open=True))
    def test_is_a_schema_that_stays(self, schema):
        assert list(SchemaDifferences({}, {}).between(schema, copy.deepcopy(schema), "the body")) == []

    @given(schemas(are_open=True), schemas(are_open=True))
    def test_in_one_direction_mirrors_the_other(self, one, other):
        """What narrows requests one way widens answers the other way. A new member is an exception, a value more of an
        open enumeration another; they are left out.
        """
        text = json.dumps([one, other])
        assume("properties" not in text and not ("anyOf" in text and "enum" in text))
        assert without_breaks(one, other, Way.REQUEST) == without_breaks(other, one, Way.ANSWER)


class TestTheDocument:
    def test_does_not_differ_from_itself(self, document):
        assert differences(document, copy.deepcopy(document)) == []

    def test_does_not_differ_by_the_order_of_its_keys(self, document):
        assert differences(document, json.loads(json.dumps(document, sort_keys=True))) == []

    @pytest.mark.parametrize(("old", "new"), [(1, True), (0, False)])
    def test_differs_where_python_would_take_two_values_for_the_same(self, base, old, new):
        one, other = (planted(base, sets("PlantedWrite.properties.size", const=value)) for value in (old, new))
        assert any("PlantedWrite.size" in change.sentence for change in contract_changes(one, other))

    @settings(max_examples=15)
    @given(data=st.data())
    def test_differs_wherever_it_is_changed(self, document, data):
        """Any value, at any place. Nothing falls through, and nothing breaks the comparison."""
        changed = copy.deepcopy(document)
        node, key = changed, data.draw(st.sampled_from(["paths", "components", "info"]))
        while isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 9)):
            node = node[key]
            key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        assume(isinstance(node[key], str | int | bool) and key not in ("$ref", "in", "name"))
        node[key] = {str: "other", bool: not node[key], int: 77}[type(node[key])]
        assert differences(document, changed) != []
        assert differences(changed, document) != []


class TestAChange:
    @settings(max_examples=10)
    @given(chosen=st.sets(st.sampled_from(range(len(FIELDS))), min_size=2, max_size=6))
    def test_is_found_among_others(self, base, chosen):
        """Several fields changed at once are told one by one."""
        fields = list({re.search(r"\w+\.(\w+)", FIELDS[i].sentence)[1]: FIELDS[i] for i in sorted(chosen)}.values())
        changes = [field.change(f"PlantedWrite.{field.where}") for field in fields]
        alone = [contract_changes(base, planted(base, change)) for change in changes]
        together = contract_changes(base, planted(base, *changes))
        assert set(together) == set(chain.from_iterable(alone))

    def test_that_adds_a_field_never_breaks_answers(self, document):
        """Of any schema; it breaks requests if it is required."""
        for required in (False, True):
            changed = copy.deepcopy(document)
            for schema in changed["components"]["schemas"].values():
                if "properties" in schema:
                    schema["properties"]["planted"] = {"type": "string"}
                    schema.setdefault("required", []).extend(["planted"] * required)
            broken = [change for change in differences(document, changed) if change.is_breaking]
            assert all(" in requests of " in change.sentence for change in broken)
            assert bool(broken) == required

    def test_that_removes_a_field_always_breaks(self, document):
        """The first one of any schema that an operation uses. The code of a problem has sentences of its own."""
        components, at_once, alone = document["components"], {}, []
        for name in reachable(document, [operation.node for operation in operations(document)]):
            schema = components["schemas"][name]
            fields = {field: of for field, of in schema.get("properties", {}).items() if field != "code"}
            # One that leads to other schemas goes alone: what it led to might be out of reach without it.
            plain = [field for field, of in fields.items() if "$ref" not in json.dumps(of)]
            for gone in (plain or [*fields])[:1]:
                rest = {field: of for field, of in schema["properties"].items() if field != gone}
                less = schema | {"properties": rest, "required": [f for f in schema.get("required", ()) if f != gone]}
                if plain:
                    at_once[name, gone] = less
                else:
                    alone.append({(name, gone): less})
        for removed in (at_once, *alone):
            schemas = components["schemas"] | {name: less for (name, _), less in removed.items()}
            told = differences(document, document | {"components": components | {"schemas": schemas}})
            for name, gone in removed:
                of_it = [change for change in told if f"removed: field `{name}.{gone}` in" in change.sentence]
                assert {change.is_breaking for change in of_it} == {True}

    @pytest.mark.parametrize("verb", ["removed", "added"])
    def test_of_an_operation_is_told_of_each(self, document, verb):
        """All of them, one by one: to remove breaks, to add does not."""
        for operation in operations(document):
            item = {key: of for key, of in document["paths"][operation.path].items() if key != operation.method}
            less = document | {"paths": document["paths"] | {operation.path: item}}
            pair = (document, less) if verb == "removed" else (less, document)
            told = [change for change in differences(*pair) if change.sentence == f"{verb}: operation {operation}"]
            assert [change.is_breaking for change in told] == [verb == "removed"]
