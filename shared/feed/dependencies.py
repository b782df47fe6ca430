"""Which documents change along with another resource: derived from documents, policies and foreign keys.

A document embeds rows of other resources, or computes with them; a policy looks at them. So a change of such a row may
change documents that have no entry in the journal. Foreign keys lead from the row to those documents.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array

from shared.reads import Derived, Projector, columns_in, marker_of
from shared.rows import Action, Model, table_of
from shared.writes import Repository

MOST_REACHED = 1000
"""Documents that one change is told to have changed. Past that, it is told that any of the resource may have."""

Used = Mapping[sa.Table, frozenset[str]]
"""The columns that an expression uses, by table."""


class Hop(NamedTuple):
    """From a column to the one of another table that equals it: a foreign key and its target, or the way back."""

    near: sa.Column[Any]
    far: sa.Column[Any]


class Dependency:
    """That documents of one resource depend on rows of another one, `on`, and of its parts."""

    def __init__(self, repository: type[Repository[Any]], on: sa.Table, shown: Used, judged: Used) -> None:
        """`shown` is what is embedded. `judged` is what values and the policy are computed from."""
        self.repository = repository
        self.rows = table_of(repository.model)
        self.on = on
        self._shown = {table: names for table, names in shown.items() if resource_of(table) == on.name}
        self._judged = {table: names for table, names in judged.items() if resource_of(table) == on.name}
        self._path = _path(self.rows, on, {*shown, *judged, self.rows, on})

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self._shown or self._judged) and (self.on is not self.rows or self._path is not None)

    def is_shown(self, entry: sa.FromClause) -> sa.ColumnElement[bool]:
        """Whether an entry is of something that the documents embed."""
        return self._concerns(entry, self._shown)

    def is_judged(self, entry: sa.FromClause) -> sa.ColumnElement[bool]:
        """Whether an entry is of something that values of the documents are computed from, or who sees them."""
        return self._concerns(entry, self._judged)

    @property
    def leads(self) -> bool:
        """Whether foreign keys lead to the documents. Where they do not, it may be any of them."""
        return self._path is not None

    def ids(self, entry: sa.FromClause) -> sa.CompoundSelect[Any]:
        """The documents to which an entry leads, some perhaps twice."""
        links = [key for table in {**self._shown, **self._judged} for key in _keys(table, self.rows)]
        # A link that was removed is in its entry alone.
        named = [
            sa.select(sa.cast(entry.c[state][key.name].astext, sa.Uuid())).where(
                _is_of(entry, key.table), entry.c[state][key.name].astext.is_not(None)
            )
            for key in links
            for state in ("before", "after")
        ]
        is_link = sa.or_(sa.false(), *(_is_of(entry, key.table) for key in links if key.table is not self.on))
        led = self._led_to(entry.c.subject_id).where(sa.not_(is_link))
        return sa.union_all(*(part.correlate(entry) for part in (*named, led)))

    def _led_to(self, subject_id: sa.ColumnElement[Any]) -> sa.Select[Any]:
        path = self._path or ()
        reached: sa.FromClause = self.rows.alias()
        id, joined = reached.c.id, reached
        if path and path[0].near is self.rows.c.id:  # What names the document is enough.
            reached = joined = path[0].far.table.alias()
            id, path = reached.c[path[0].far.name], path[1:]
        for near, far in path:
            if far is self.on.c.id:
                return sa.select(id).select_from(joined).where(reached.c[near.name] == subject_id)
            column, reached = reached.c[near.name], far.table.alias()
            joined = joined.join(reached, column == reached.c[far.name])
        return sa.select(id).select_from(joined).where(reached.c.id == subject_id)

    def _concerns(self, entry: sa.FromClause, used: Used) -> sa.ColumnElement[bool]:
        return sa.or_(sa.false(), *(self._changes(entry, table, names) for table, names in used.items()))

    def _changes(self, entry: sa.FromClause, table: sa.Table, names: frozenset[str]) -> sa.ColumnElement[bool]:
        if table is not self.on:
            return _is_of(entry, table)
        columns = sa.cast(array(sorted(names)), sa.ARRAY(sa.Text()))
        values = sa.func.coalesce(entry.c.after, entry.c.before, type_=entry.c.after.type)
        changes = sa.and_(_is_of(entry, table), values.has_any(columns))
        if _keys(table, self.rows):
            return changes
        # To a new row, nothing can lead yet. What links it to a document has an entry of its own.
        return sa.and_(changes, entry.c.action != Action.CREATED.value)


def dependencies(repositories: Sequence[type[Repository[Any]]], projector: Projector) -> list[Dependency]:
    """How the documents of these resources depend on each other."""
    found = []
    for repository in repositories:
        rows = table_of(repository.model).alias()
        shown, judged = _used(_embedded(repository, rows, projector)), _used(_computed(repository, rows, projector))
        found += [Dependency(repository, table_of(other.model), shown, judged) for other in repositories]
    return [dependency for dependency in found if dependency]


def resource_of(table: sa.Table) -> str:
    """The resource that a table's rows are, or are parts of, by its name in the journal."""
    return str(table.info.get("recorded_with", (table.name,))[0])


def _embedded(
    repository: type[Repository[Any]], rows: sa.FromClause, projector: Projector
) -> Iterator[sa.ColumnElement[Any]]:
    """What the documents embed; not what they embed on request."""
    document = repository.collection.document
    for name in document.selectable():
        field = document.model_fields[name]
        marker = marker_of(field)
        if marker is not None and not isinstance(marker, Derived):
            yield marker.expression(field, rows, projector)


def _computed(
    repository: type[Repository[Any]], rows: sa.FromClause, projector: Projector
) -> Iterator[sa.ColumnElement[Any]]:
    """The values that are computed for the documents, and who sees them."""
    document = repository.collection.document
    for name in document.selectable():
        marker = marker_of(document.model_fields[name])
        if isinstance(marker, Derived):
            yield marker.compute(rows, projector.extensions)
    yield repository.policy.role(rows, projector.extensions)
    yield from repository.policy.listed(rows, projector.extensions)


def _used(expressions: Iterator[sa.ColumnElement[Any]]) -> Used:
    used: dict[sa.Table, set[str]] = {}
    for expression in expressions:
        for table, name in columns_in(expression):
            if table.name in Model.metadata.tables:
                used.setdefault(Model.metadata.tables[table.name], set()).add(name)
    return {table: frozenset(names) for table, names in used.items()}


def _path(start: sa.Table, goal: sa.Table, tables: set[sa.Table]) -> tuple[Hop, ...] | None:
    """The shortest way by foreign keys, through these tables; None when there is none. To the same table, one hop."""
    if start is goal:
        return next(((Hop(key, goal.c.id),) for key in _keys(start, goal)), None)
    known, waiting = {start}, deque[tuple[sa.Table, tuple[Hop, ...]]]([(start, ())])
    while waiting:
        table, path = waiting.popleft()
        if table is goal:
            return path
        for other in sorted(tables - known, key=lambda table: table.name):
            hops = [Hop(key, other.c.id) for key in _keys(table, other)]
            hops += [Hop(table.c.id, key) for key in _keys(other, table)]
            if hops:
                known.add(other)
                waiting.append((other, (*path, hops[0])))
    return None


def _keys(table: sa.Table, target: sa.Table) -> list[sa.Column[Any]]:
    """The columns of a table that name rows of another."""
    named = f"{target.name}.id"
    return [c for c in table.c if any(key.target_fullname == named for key in c.foreign_keys)]


def _is_of(entry: sa.FromClause, table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether an entry is of a row of this table; never NULL."""
    assert isinstance(table, sa.Table)
    told_as = sa.func.coalesce(entry.c.part, entry.c.resource)
    return sa.and_(entry.c.resource == resource_of(table), told_as == table.name)
