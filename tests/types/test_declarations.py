"""What an author declares that does not fit is refused when it is declared, or, at the latest, with a pointer."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from sqlalchemy import literal

from shared.auth import Principal
from shared.errors import InvalidInput
from shared.http.reads.lists import ListGrammar
from shared.http.reads.totals import demand_totals
from shared.reads import Collection, Derived, Document, One
from shared.writes import Change
from tests.types.samples import Sample, SampleRead


class Declared(Document, of=Sample):
    id: UUID
    line: str | None
    settings: dict[str, Any] | None
    labels: list[str] | None
    double: Annotated[int, Derived(lambda _rows, _extensions: literal(2))]
    owner: Annotated[SampleRead | None, One("owner_id")]
    numbers: list[int] | None
    deleted: bool


HELD: dict[str, list[Any]] = {
    "line": ["x" * 200],
    "price": [Decimal("9999999999.99"), Decimal("-1.500"), Decimal("0E+3"), Decimal("1E+9")],
    "small": [-(2**15), 2**15 - 1],
    "number": [2**31 - 1],
    "big": [-(2**63)],
    "amount": [Decimal("1E-30")],
}
NOT_HELD: dict[str, list[Any]] = {
    "line": ["x" * 201],
    "price": [Decimal("1.005"), Decimal("1E+10"), Decimal("-1E-40"), Decimal("1" * 60 + ".001")],
    "small": [2**15, -(2**15) - 1],
    "number": [2**31],
    "big": [2**63],
}


class TestASort:
    @pytest.mark.parametrize("name", ["settings", "labels"])
    def test_by_what_has_no_order_is_refused(self, name):
        with pytest.raises(TypeError, match=rf"Declared cannot be sorted by {name}: it is a list or an object"):
            ListGrammar(Collection(Declared, sorts=("line", name)))

    @pytest.mark.parametrize("name", ["double", "owner", "no_such"])
    def test_by_what_has_no_column_is_refused(self, name):
        with pytest.raises(TypeError, match=rf"Declared cannot be sorted by {name}: it has no column"):
            ListGrammar(Collection(Declared, sorts=(name,)))

    def test_that_is_called_like_the_order_of_a_search_is_refused(self):
        with pytest.raises(TypeError, match=r"Declared cannot be sorted by relevance: a search sorts by that"):
            ListGrammar(Collection(Declared, sorts=("relevance",)))


class TestAFilter:
    @pytest.mark.parametrize("name", ["double", "owner", "numbers", "no_such"])
    def test_by_what_has_no_operators_is_refused(self, name):
        with pytest.raises(TypeError, match=rf"Declared cannot be filtered by {name}: a filter is"):
            ListGrammar(Collection(Declared, filters=("line", name)))

    def test_that_is_called_like_another_parameter_of_lists_is_refused(self):
        with pytest.raises(TypeError, match=r"Declared cannot be filtered by deleted: every list has a parameter"):
            ListGrammar(Collection(Declared, filters=("deleted",)))


class TestTotals:
    @pytest.mark.parametrize("name", ["settings", "labels", "id", "no_such"])
    def test_by_what_is_no_filter_with_one_value_are_refused(self, name):
        filters = ("line", "settings", "labels")
        with pytest.raises(
            TypeError, match=rf"Declared cannot be grouped by {name}: a group is a filter with one value"
        ):
            demand_totals(Collection(Declared, filters=filters, groups=("line", name)))

    @pytest.mark.parametrize("name", ["line", "double", "settings", "deleted", "no_such"])
    def test_of_what_has_no_sum_are_refused(self, name):
        with pytest.raises(TypeError, match=rf"The {name} of Declared cannot be added up: a sum is of a column"):
            demand_totals(Collection(Declared, sums=(name,)))


class TestAValueThatTheSchemaLetThrough:
    """PostgreSQL would refuse some of them without saying which, and round others."""

    @pytest.fixture
    async def change(self, database, ann):
        async with database.unit_of_work() as unit:
            yield Change(unit, Principal(ann.id))

    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name, values in NOT_HELD.items() for value in values]
    )
    async def test_and_its_column_does_not_hold_is_refused_with_its_place(self, application, change, name, value):
        samples = application.containers["samples"].repository()
        with pytest.raises(InvalidInput) as refused:
            await samples.add(change, owner_id=change.caller.user_id, **{name: value})
        assert refused.value.pointer == f"/{name}"
        row = await samples.lock(change, await samples.add(change, owner_id=change.caller.user_id), "change")
        with pytest.raises(InvalidInput) as refused:
            await samples.update(change, row, **{name: value})
        assert refused.value.pointer == f"/{name}"

    @pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in HELD.items() for value in values])
    async def test_and_its_column_holds_is_stored(self, application, change, name, value):
        samples = application.containers["samples"].repository()
        id = await samples.add(change, owner_id=change.caller.user_id, **{name: value})
        assert getattr(await samples.lock(change, id, "change"), name) == value
