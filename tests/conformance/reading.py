"""Reading single rows: views, and what a read costs."""

from typing import Any

from tests.conformance.promises import Promises
from tests.conformance.requests import done, executed, ids, items, parameters, walk
from tests.conformance.tried import each, needs


def _views(contract: Any) -> list[dict[str, str]]:
    includable = contract.face.document.includable()
    return [{}, *({"include": name} for name in includable), *([{"include": ",".join(includable)}] * bool(includable))]


class Reading(Promises):
    """`GET` on a row and on the list, and their statements."""

    @needs("get", "list")
    async def test_an_item_of_a_list_is_the_document_of_the_single_read(self):
        """There is one representation of a row, byte for byte."""
        await self.saved_all([{} for _ in range(2)])
        page = await self.keeper.get(self.face.path)
        documents = [(await self.keeper.get(self.path(id))).content for id in ids(page)]
        assert page.content == b'{"items":[' + b",".join(documents) + b'],"next_cursor":null}'

    @each("field", lambda c: c.face.document.selectable())
    async def test_fields_leave_out_all_others(self, field: str):
        """On single reads and on lists (docs/guide/paging.md)."""
        whole = await self.document(self.row)
        one = done(await self.keeper.get(self.path(self.row), params={"fields": field}))
        assert one.json() == {field: whole[field]}
        if "list" in self.face.routes:
            page = items(await self.keeper.get(self.face.path, params={"fields": f"id,{field}"}))
            assert {"id": whole["id"], field: whole[field]} in page

    @each("name", lambda c: c.face.document.includable())
    async def test_related_rows_are_embedded_on_request(self, name: str):
        """And only then; on single reads and on lists."""
        assert name not in await self.document(self.row)
        one = done(await self.keeper.get(self.path(self.row), params={"include": name})).json()
        page = items(await self.keeper.get(self.face.path, params={"include": name}))
        assert one == next(item for item in page if item["id"] == str(self.row.id))
        assert one[name] is not None

    @needs("get")
    async def test_unknown_parameters_are_refused_by_name(self):
        """422, so that a slip of the pen is noticed, on every read."""
        for verb, more in (("get", ""), ("history", "/history"), ("list", None), ("export", None)):
            if verb in self.face.routes:
                path = self.face.path if more is None else self.path(self.row, more)
                path += "/export" if verb == "export" else ""
                assert parameters(await self.keeper.get(path, params={"nonsense": "1"})) == ["nonsense"]
        for name in ("fields", "include"):
            for value in ("nonsense", "", "id,", "\0"):
                assert parameters(await self.keeper.get(self.path(self.row), params={name: value})) == [name]

    @each("view", _views)
    async def test_a_read_is_one_statement(self, view: dict[str, str]):
        """Whatever is embedded, however many rows are on the page: nothing is read row by row."""
        await self.saved_all([{} for _ in range(5)])
        paths = {"get": self.path(self.row), "history": self.path(self.row, "/history"), "list": self.face.path}
        for verb in self.face.verbs(*paths):
            for limit in (1, 100):
                params: dict[str, Any] = {} if verb == "history" else {**view}
                params |= {} if verb == "get" else {"limit": limit}
                with executed() as statements:
                    done(await self.keeper.get(paths[verb], params=params))
                assert len(statements) == self._cost(verb), f"{verb} with {params} took {len(statements)} statements."

    @needs("list")
    async def test_a_deeper_page_is_one_statement(self):
        """Its cost does not depend on how deep it is, whatever the sort and filter."""
        await self.saved_all([{} for _ in range(4)])
        for sort in self.face.collection.sorts:
            page = done(await self.keeper.get(self.face.path, params={"limit": 2, "sort": sort, "count": "exact"}))
            with executed() as statements:
                done(await self.keeper.get(f"http://test{page.links['next']['url']}"))
            assert len(statements) == self._cost("list")
        assert len(await walk(self.keeper, self.face.path, limit=2)) >= 5

    def _cost(self, verb: str) -> int:
        """One; an administrator's role is looked at before."""
        return 2 if self.face.is_administered(verb) else 1
