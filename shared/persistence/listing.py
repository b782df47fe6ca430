"""Listing: a collection in pages, by keyset, so that a page costs the same at any depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ColumnElement, Integer, Select, bindparam, cast, func, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.auth.principal import Principal
from shared.persistence.cursors import Cursors


@dataclass(frozen=True)
class Page:
    """A page of documents, and the cursor of the next one if there is more."""

    items: list[bytes]
    next_cursor: str | None

    def to_json(self) -> bytes:
        """The body of the answer."""
        cursor = b"null" if self.next_cursor is None else b'"%b"' % self.next_cursor.encode()
        return b'{"items":[%b],"next_cursor":%b}' % (b",".join(self.items), cursor)


class Listing:
    """A collection in the order of some columns: the statements for its first and its further pages, built once.

    The columns together are unique, none is null, and all go one way.
    """

    def __init__(
        self,
        found: Select[bytes],
        keys: Sequence[ColumnElement[Any]],
        cursors: Cursors,
        *,
        name: str,
        newest_first: bool = True,
    ) -> None:
        """`found` gives the documents of the collection, in no order yet; `name` binds its cursors to it."""
        self._name = name
        self._cursors = cursors
        self._first = (
            found.add_columns(func.json_build_array(*keys, type_=JSON))
            .order_by(*(key.desc() if newest_first else key for key in keys))
            .limit(bindparam("rows", type_=Integer()))
        )
        self._after = [f"after_{number}" for number, _ in enumerate(keys)]
        after = tuple_(*(cast(bindparam(name), key.type) for name, key in zip(self._after, keys, strict=True)))
        self._further = self._first.where(tuple_(*keys) < after if newest_first else tuple_(*keys) > after)

    async def page(
        self, connection: AsyncConnection, principal: Principal, limit: int, cursor: str | None, **scope: object
    ) -> Page:
        """At most `limit` documents, from the start or from where the cursor says; `scope` are parameters of `found`.

        Raises InvalidCursor for a cursor of another list, scope or caller.
        """
        context = " ".join(map(str, (self._name, principal.user_id, *scope.values())))
        # One row more than asked for tells whether there is a next page, without counting.
        parameters = principal.parameters() | scope | {"rows": limit + 1}
        statement: Select[Any] = self._first
        if cursor is not None:
            statement = self._further
            parameters |= zip(self._after, self._cursors.read(cursor, context), strict=True)
        found = (await connection.execute(statement, parameters)).all()
        more = len(found) > limit
        return Page(
            items=[document for document, _ in found[:limit]],
            next_cursor=self._cursors.sign(found[limit - 1][1], context) if more else None,
        )
