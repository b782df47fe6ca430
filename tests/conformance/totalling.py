"""Totals: how many rows there are, and their sums, whole and by group (docs/guide/paging.md)."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.conformance.listing import Listing
from tests.conformance.requests import done, parameters, walk
from tests.conformance.tried import each, needs
from tests.conformance.values import parsed, type_of, written


class Totalling(Listing):
    """`GET` on the summary of the collection."""

    async def totals(self, caller: Any = None, /, **params: Any) -> dict[str, Any]:
        answer = done(await (caller or self.keeper).get(f"{self.face.path}/summary", params=params))
        found: dict[str, Any] = answer.json()
        return found

    @needs("totals")
    async def test_totals_are_those_of_what_the_list_lists(self):
        """With the same filters, to the same caller; of deleted rows, if they are asked for."""
        await self.varied(*self.face.collection.sums, *self.face.collection.groups)
        await self.deleted()
        for caller in (self.keeper, await self.outsider(), await self.admin()):
            for params in ({}, {"deleted": "only"}, {"deleted": "include"}, {"created_at[gt]": self._when()}):
                found = await self.totals(caller, **params)
                listed = await walk(caller, self.face.path, limit=100, **params)
                assert (found["count"], found["groups"], found["has_more"]) == (len(listed), [], False)
                self._is_sum_of(found, listed)

    @each("field", lambda c: list(c.face.collection.groups) if "totals" in c.face.routes else [])
    async def test_rows_with_the_same_value_are_a_group(self, field: str):
        """The largest first; a filter by the value lists its rows."""
        await self.varied(field, *self.face.collection.sums)
        listed = await walk(self.keeper, self.face.path, limit=100)
        found = await self.totals(group_by=field)
        assert [group["count"] for group in found["groups"]] == sorted(
            (group["count"] for group in found["groups"]), reverse=True
        )
        values = [group["by"] for group in found["groups"]]
        assert sorted(map(str, values)) == sorted({str({field: item[field]}) for item in listed})
        for group in found["groups"]:
            rows = [item for item in listed if item[field] == group["by"][field]]
            assert group["count"] == len(rows)
            self._is_sum_of(group, rows)
            if group["by"][field] is not None:
                filtered = await self.totals(**{field: written(group["by"][field])})
                assert filtered["count"] == group["count"]
        assert sum(group["count"] for group in found["groups"]) == found["count"] == len(listed)

    @each("field", lambda c: list(c.face.collection.groups) if "totals" in c.face.routes else [])
    async def test_as_many_groups_are_told_as_the_limit_says(self, field: str):
        """The totals stay those of all rows, and `has_more` tells that there are other groups."""
        await self.varied(field)
        whole = await self.totals(group_by=field)
        first = await self.totals(group_by=field, limit=1)
        assert first == {**whole, "groups": whole["groups"][:1], "has_more": len(whole["groups"]) > 1}

    @needs("totals")
    async def test_groups_that_there_are_not_are_refused_by_name(self):
        """422, as every other parameter that is wrong."""
        path = f"{self.face.path}/summary"
        for value in ("nonsense", "", "id", "\0"):
            assert parameters(await self.keeper.get(path, params={"group_by": value})) == ["group_by"]
        for name in ("cursor", "sort", "fields", "count", "nonsense", "dry_run"):
            assert parameters(await self.keeper.get(path, params={name: "x"})) == [name]

    @needs("totals")
    async def test_totals_that_a_client_has_are_not_sent_again(self):
        """304 while they are the same."""
        path = f"{self.face.path}/summary"
        tag = done(await self.keeper.get(path)).headers["ETag"]
        assert (await self.keeper.get(path, headers={"If-None-Match": tag})).status_code == 304
        await self.saved()
        assert (await self.keeper.get(path, headers={"If-None-Match": tag})).status_code == 200

    def _when(self) -> str:
        return str(self.row.created_at.isoformat())

    def _is_sum_of(self, found: Mapping[str, Any], listed: list[dict[str, Any]]) -> None:
        names = list(self.face.collection.sums)
        assert found.keys() >= ({"sums"} if names else set())
        for name in names:
            annotation = self.face.document.model_fields[name].annotation
            kind = type_of(annotation)
            zero: Any = timedelta() if kind is timedelta else kind(0)
            values = [parsed(annotation, item[name]) for item in listed if item[name] is not None]
            told = found["sums"][name]
            assert parsed(annotation, told) == sum(values, start=zero)
            assert isinstance(told, str) == (kind in {Decimal, timedelta}), "As in a document."
