"""The order of lists, across pages, with ties and nulls (docs/guide/paging.md)."""

from datetime import timedelta
from typing import Any

from tests.conformance.listing import Listing
from tests.conformance.requests import items, message, walk
from tests.conformance.tried import each, needs
from tests.conformance.values import NOON, parsed, placed


def _sorts(contract: Any) -> list[str]:
    shown = contract.face.document.model_fields
    names = [name for name in contract.face.collection.sorts if "list" in contract.face.routes and name in shown]
    single = [sign + name for name in names for sign in ("", "-")]
    turned = list(zip(names, [*names[1:], *names[:1]], strict=True)) if len(names) > 1 else []
    return [*single, *(f"{first},-{then}" for first, then in turned), *(f"-{first},{then}" for first, then in turned)]


def _shows_its_order(contract: Any) -> bool:
    return all(name in contract.face.document.model_fields for name, _ in contract.face.collection.default_sort)


def _beside_the_owner(contract: Any) -> list[str]:
    """The roles by which one lists rows of others."""
    if "list" not in contract.face.routes or contract.is_administered("list"):
        return []
    return [role for role in contract.roles if not contract.is_keepers(role)]


class Sorting(Listing):
    """`sort=` on the collection."""

    @each("sort", _sorts)
    async def test_a_sort_orders_the_list_at_any_size_of_its_pages(self, sort: str):
        """Every row once, none skipped at a page's end, with ties and nulls: null is greater than every value, and ties
        go by id in the direction of the last field.
        """
        fields = [name.removeprefix("-") for name in sort.split(",")]
        varied = await self.varied(*fields)
        assert len(varied) > 3, "The rules of the table refuse the rows to sort."
        whole = await walk(self.keeper, self.face.path, limit=100)
        expected = [item["id"] for item in self._ordered([one for one in whole if one["id"] in varied], sort)]
        for limit in (1, 2, 3, 100):
            found = [item["id"] for item in await walk(self.keeper, self.face.path, sort=sort, limit=limit)]
            assert len(found) == len(set(found)), f"In pages of {limit}, rows are repeated."
            assert set(found) == {item["id"] for item in whole}, f"In pages of {limit}, rows are lost."
            assert [id for id in found if id in varied] == expected, f"In pages of {limit}, the order is another."

    @needs(
        "list",
        if_=lambda c: {name for name, _ in c.face.collection.default_sort} <= c.face.document.model_fields.keys(),
    )
    async def test_a_list_is_by_default_in_the_order_that_it_declares(self):
        """The newest first, unless the collection says otherwise."""
        await self.varied("created_at")
        whole = await walk(self.keeper, self.face.path, limit=3)
        default = ",".join(("-" if down else "") + name for name, down in self.face.collection.default_sort)
        assert whole == self._ordered(whole, default)

    @needs("list")
    async def test_a_sort_that_is_none_is_refused_with_those_there_are(self):
        """422, and the message lists the allowed ones; each is named once."""
        sorts = self.face.collection.sorts
        for sort in ("", ",", "-", "--id", "nonsense", f"{sorts[0]},", f"{sorts[0]},-{sorts[0]}", "deleted_at", "\0"):
            told = message(await self.page(sort=sort), "sort")
            assert all(name in told for name in sorts)

    @each("role", _beside_the_owner)
    async def test_a_list_merges_ones_own_rows_and_those_of_others(self, role: str):
        """In one order, at any size of the pages."""
        shared = await self.saved(await self.outsider(), created_at=NOON + timedelta(minutes=1))
        caller = await self.actor(role, shared)
        own = [await self.saved(caller, created_at=NOON + timedelta(minutes=n)) for n in range(3)]
        expected = {str(row.id) for row in (shared, *own)}
        for sort in (None, *self.face.collection.sorts):
            params = {} if sort is None else {"sort": sort}
            whole = items(await caller.get(self.face.path, params=params | {"count": "exact"}))
            assert {item["id"] for item in whole} == expected
            assert await walk(caller, self.face.path, limit=1, **params) == whole
            assert await walk(caller, self.face.path, limit=3, **params) == whole

    def _ordered(self, documents: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
        """The documents as `sort` has them."""
        fields = [(name.removeprefix("-"), name.startswith("-")) for name in sort.split(",")]
        for name, descends in reversed([*fields, (self.face.collection.key, fields[-1][1])]):
            annotation = self.face.document.model_fields[name].annotation

            def place(item: dict[str, Any], name: str = name, annotation: Any = annotation) -> Any:
                value = parsed(annotation, item[name])
                return placed(str(value) if isinstance(value, str) else value)

            documents = sorted(documents, key=place, reverse=descends)
        return documents
