"""Lists: pages, cursors, counts and searches (docs/guide/paging.md)."""

from types import SimpleNamespace
from typing import Any

from tests.conformance.promises import Promises
from tests.conformance.requests import done, ids, items, parameters, refused, walk
from tests.conformance.tried import needs
from tests.conformance.values import ROWS, samples


class Listing(Promises):
    """`GET` on the collection."""

    async def page(self, /, **params: Any) -> Any:
        return await self.keeper.get(self.face.path, params=params)

    async def varied(self, *fields: str) -> list[str]:
        """The ids of rows of the keeper's that tie, and are null, in these columns."""
        known = self.face.model.model_fields
        columns = {
            name: samples(known[name].annotation, is_unique=name in self.face.unique, every=1 + place)
            for place, name in enumerate(fields)
            if name in known
        }
        rows = [{name: values[n] for name, values in columns.items() if values} for n in range(ROWS)]
        return [str(row.id) for row in await self.saved_all(rows)]

    @needs("list")
    async def test_a_page_leads_to_the_next_one_by_cursor_and_by_link(self):
        """The `Link` keeps the query; the last page, be it just full, has neither."""
        await self.saved_all([{} for _ in range(3)])
        whole = await walk(self.keeper, self.face.path)
        first = await self.page(limit=3)
        assert first.headers["Link"].startswith(f"</api/v1{self.face.path}?")
        by_link = await self.keeper.get(f"http://test{first.links['next']['url']}")
        by_cursor = await self.page(limit=3, cursor=first.json()["next_cursor"])
        assert by_link.content == by_cursor.content
        assert items(first) + items(by_link) == whole[:6]
        last = await self.page(limit=len(whole))
        assert last.json()["next_cursor"] is None
        assert "Link" not in last.headers

    @needs("list")
    async def test_what_is_made_meanwhile_does_not_shift_the_pages(self):
        """A row that did not change is neither skipped nor repeated."""
        await self.saved_all([{} for _ in range(5)])
        for sort in (None, *self.face.collection.sorts):
            params = {} if sort is None else {"sort": sort}
            whole = [item["id"] for item in await walk(self.keeper, self.face.path, **params)]
            first = await self.page(limit=2, **params)
            await self.saved()
            rest = await walk(self.keeper, self.face.path, limit=2, cursor=first.json()["next_cursor"], **params)
            found = [*ids(first), *(item["id"] for item in rest)]
            assert [id for id in found if id in whole] == whole, sort

    @needs("list", "delete")
    async def test_pages_go_on_when_the_row_they_ended_with_is_deleted(self):
        """A cursor is a place in the order, and no row."""
        await self.saved_all([{} for _ in range(3)])
        whole = await walk(self.keeper, self.face.path)
        last = next(n for n, item in enumerate(whole) if item["id"] != str(self.keeper.id))
        first = await self.page(limit=last + 1)
        done(await self.keeper.delete(self.path(items(first)[-1])))
        assert await walk(self.keeper, self.face.path, cursor=first.json()["next_cursor"]) == whole[last + 1 :]

    @needs("list")
    async def test_a_page_has_20_rows_unless_told_and_100_at_most(self):
        """A larger limit is taken as 100; below 1, or no number, is 422."""
        await self.saved_all([{} for _ in range(101)])
        for limit, rows in ((None, 20), ("1", 1), ("100", 100), ("101", 100), (str(10**30), 100)):
            assert len(ids(await self.page(**({} if limit is None else {"limit": limit})))) == rows
        for limit in ("0", "-1", str(-(10**30)), "abc", "", "1.5", "\0", "١"):
            assert parameters(await self.page(limit=limit)) == ["limit"]

    @needs("list")
    async def test_a_cursor_is_good_for_its_own_list_and_caller_alone(self):
        """Signed, and bound to filter, sort and caller: any other use, and any other text, is 400 `invalid_cursor`."""
        await self.saved_all([{} for _ in range(3)])
        cursor = (await self.page(limit=1)).json()["next_cursor"]
        assert len(ids(await self.page(cursor=cursor, limit=2))) == 2
        wrong = [cursor[:place] + ("B" if cursor[place] == "A" else "A") + cursor[place + 1 :] for place in (0, 20, -5)]
        wrong += [cursor[:-4], cursor + "AAAA", "", "x", "é", "🎉", "=" * 8, "A" * 900]
        for one in wrong:
            refused(await self.page(cursor=one), 400, "invalid_cursor")
        other = await self.admin()
        refused(await other.get(self.face.path, params={"cursor": cursor}), 400, "invalid_cursor")
        same = await self.stage.sign_in(SimpleNamespace(id=self.keeper.id))
        assert len(ids(await same.get(self.face.path, params={"cursor": cursor}))) >= 3, (
            "Another session is the same caller."
        )
        others = [{"sort": sort} for sort in self.face.collection.sorts[:1]] + [{"deleted": "include"}]
        others += [{f"{name}[ne]": str(self.row.id)} for name in self.face.collection.filters if name == "id"]
        for params in others:
            refused(await self.page(cursor=cursor, **params), 400, "invalid_cursor")
        if "history" in self.face.routes:
            history = self.path(self.row, "/history")
            refused(await self.keeper.get(history, params={"cursor": cursor}), 400, "invalid_cursor")

    @needs("list")
    async def test_a_count_is_of_all_pages(self):
        """`count=exact`; without it, a page has none."""
        await self.saved_all([{} for _ in range(3)])
        whole = await walk(self.keeper, self.face.path)
        assert "count" not in (await self.page(limit=2)).json()
        assert (await self.page(limit=2, count="exact")).json()["count"] == len(whole)
        assert isinstance((await self.page(limit=2, count="estimated")).json()["count"], int)
        assert parameters(await self.page(count="all")) == ["count"]

    @needs("list", if_=lambda c: c.face.collection.search)
    async def test_a_search_finds_the_words_of_what_is_declared(self):
        """`q=`, ranked when `sort=-relevance`; it goes along with filters and pages."""
        names = [name for name in self.face.searched() if name not in self.face.unique]
        found = await self.saved_all([{name: "heliotrope unheard"} for name in names])
        for words, expected in (("heliotrope", found), ("unheard -heliotrope", []), ("heliotrope unheard", found)):
            for sort in ("-relevance", None):
                params = {"q": words} | ({} if sort is None else {"sort": sort})
                answer = await self.page(**params, count="exact")
                assert set(ids(answer)) == {str(row.id) for row in expected}
                assert answer.json()["count"] == len(expected)
                walked = await walk(self.keeper, self.face.path, limit=1, **params)
                assert [item["id"] for item in walked] == ids(answer)
        assert parameters(await self.page(sort="-relevance")) == ["sort"]

    @needs("list")
    async def test_no_query_is_answered_with_a_5xx(self):
        """Whatever a client sends: 4xx, or a page."""
        names = ["q", "cursor", "sort", "limit", "fields", "deleted", "count", "nonsense", "", "[", "a[b]", "a[b", "é"]
        for name in names:
            for value in ("%00", "%ff", "%ed%a0%80", "x" * 5000, "%27", "(((", "-" * 199, ":*", "%25", "1e400"):
                answer = await self.keeper.get(f"{self.face.path}?{name}={value}")
                assert answer.status_code < 500, f"{name}={value[:20]}: {answer.text}"
        done(await self.page())
