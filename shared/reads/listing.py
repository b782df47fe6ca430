"""Listing: the pages of a collection, by keyset, so that a page costs the same at any depth."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import lru_cache

from shared.auth import Policy, Principal, admitted
from shared.reads.collection import Collection, ListQuery
from shared.reads.conditions import searching
from shared.reads.cursors import Cursors
from shared.reads.projection import Projector
from shared.reads.statements import ListStatements
from shared.wire import Database

Documents = AsyncGenerator[list[bytes], None]
"""Documents in batches."""


@dataclass(frozen=True)
class Page:
    """A page of documents."""

    items: bytes
    """A JSON array."""
    next_cursor: str | None
    count: int | None = None

    def to_json(self) -> bytes:
        """The body of the answer."""
        cursor = b"null" if self.next_cursor is None else b'"%b"' % self.next_cursor.encode()
        count = b"" if self.count is None else b',"count":%d' % self.count
        return b'{"items":%b,"next_cursor":%b%b}' % (self.items, cursor, count)


class Listing:
    """The pages of a collection, behind the gate. Rows that the caller may not see are not read."""

    def __init__(
        self,
        collection: Collection,
        policy: Policy,
        projector: Projector,
        cursors: Cursors,
        scope: tuple[str, ...] = (),
    ) -> None:
        """`scope` names columns that every request gives a value for, such as the parent's id of a nested list."""
        self._collection = collection
        self._cursors = cursors
        statements = ListStatements(collection, policy, projector, scope)
        self._statement = lru_cache(maxsize=500)(statements.page)
        self._export = lru_cache(maxsize=500)(statements.export)
        self._estimate = lru_cache(maxsize=500)(statements.estimate)

    async def page(self, database: Database, caller: Principal, query: ListQuery, /, **scope: object) -> Page:
        """A page, from the start or from where the cursor says.

        Raises InvalidToken when the caller's session has ended, InvalidCursor for a cursor of another list or caller.
        """
        context = repr((self._collection.document.__name__, caller.user_id, query.context, scope))
        values = {**caller.parameters(), **query.values, **{f"scope:{name}": value for name, value in scope.items()}}
        shape = query.shape
        if query.cursor is not None:
            after = self._cursors.read(query.cursor, context)
            values |= {f"after_{n}": str(value) for n, value in enumerate(after)}
            shape = replace(shape, after=tuple(value is None for value in after))
        with searching(shape):
            ((items, last, count),) = admitted(await database.read(self._statement(shape), values))
            if shape.count == "estimated":
                ((plan,),) = await database.read(self._estimate(replace(shape, after=None)), values)
                count = json.loads(plan)[0]["Plan"]["Plan Rows"]
        return Page(items or b"[]", last and self._cursors.sign(last, context), count)

    async def export(self, database: Database, principal: Principal, query: ListQuery) -> Documents:
        """Every document of the collection that the query matches, by id, in batches."""
        values = {**principal.parameters(), **query.values}
        with searching(query.shape):
            async with aclosing(database.stream(self._export(query.shape), values)) as batches:
                async for batch in batches:
                    yield [content for (content,) in batch]
