"""The statements of a poll: which resources the next new entries of the journal are of; and these entries, judged for
the caller, with what changed along.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.dialects.postgresql import array

from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, READS, gate, is_in_scope
from shared.feed.clusters import NUMBERING, RESTORATION
from shared.feed.dependencies import MOST_REACHED, Dependency, dependencies, resource_of
from shared.feed.positions import ABOUT, IS_KNOWN, LAST, NOT_KNOWN, UNTIL_TEXT, VISIBLE
from shared.reads import Document, Projector
from shared.rows import Action, JournalEntry, Model, live, names_sharer, table_of
from shared.wire import Statement
from shared.writes import Repository


class ChangeRead(Document):
    """A change of a resource, or of a part of it. `deleted` without `part`: you can no longer see the resource.
    `created` without `part`: the resource is new to you. `changed` without `part` and `version`: a change of another
    resource changed what this one shows or, when `id` is null, any of this resource that you see or saw.
    """

    resource: str = Field(description="The resource, by the last part of its path.")
    id: UUID | None = Field(description="The id of the resource; null when any of the resource may have changed.")
    action: Action = Field(description="What happened to it, or to the part.")
    part: str | None = Field(description="The part of it that changed; null when it is the resource itself.")
    version: int | None = Field(description="The version that the change made; null of a part and of what is gone.")
    at: datetime = Field(description="When it happened.")
    actor_id: UUID | None = Field(description="The account that did it; null when that was no account.")


class FeedStatements:
    """Compiles the statements. The caller's rights are in them: nobody is told of what they do not see."""

    def __init__(self, repositories: Sequence[type[Repository[Any]]], projector: Projector, most_examined: int) -> None:
        self._repositories = repositories
        self._projector = projector
        self._most_examined = most_examined
        self._gate = gate(projector.extensions)
        self._dependencies = dependencies(repositories, projector)

    def look(self, *, goes_on: bool) -> Statement:
        """The snapshot, whether the position is of it, the reader, and the resources of the next new entries: after a
        position, or else of all.
        """
        picked, entry = _next(self._most_examined, goes_on=goes_on)
        found = sa.select(entry.c.resource).distinct().select_from(picked.join(entry, sa.true()))
        resources = sa.func.array(found.scalar_subquery(), type_=sa.ARRAY(sa.String()))
        of_reader = CALLER_IS_ADMIN, NUMBERING, RESTORATION
        return Statement(sa.select(UNTIL_TEXT, IS_KNOWN, *of_reader, resources).select_from(self._gate))

    def poll(self, resources: Collection[str], *, goes_on: bool) -> Statement:
        """What the caller is told of the next new entries, which are of these resources. PostgreSQL prepares all of a
        plan, whatever of it runs: with the rules of fifty resources that took ten times as long as with those of three.
        """
        told = self._told(self._judged(resources, goes_on=goes_on), resources)
        item = told.c.number, told.c.entry_id, told.c.about, told.c.item
        answer = sa.select(*item).select_from(self._gate.outerjoin(told, sa.true()))
        return Statement(answer.order_by(told.c.entry_id, told.c.about))

    def _judged(self, resources: Collection[str], *, goes_on: bool) -> sa.Subquery:
        """The next new entries, numbered; and whether the caller sees the resource of each."""
        picked, entry = _next(self._most_examined, goes_on=goes_on)
        # With a window function, PostgreSQL judges no entries after the page.
        number = sa.func.row_number().over(order_by=picked.c.id)
        cases = [
            self._in_the_world(repository, entry)
            for repository in self._repositories
            if table_of(repository.model).name in resources
        ]
        visible = sa.case(*cases, else_=sa.false()) if cases else sa.false()
        judged = sa.select(picked.c.id.label("entry_id"), entry, number.label("number"), visible.label("is_visible"))
        return judged.select_from(picked.join(entry, sa.true())).subquery("judged")

    def _in_the_world(
        self, repository: type[Repository[Any]], entry: sa.FromClause
    ) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        """Whether an entry is of this resource, and whether the caller sees the row. What only an administrator's role
        lets them see counts when it is in their list.
        """
        table = table_of(repository.model)
        rows = table.alias()
        # A scalar subquery is a look-up for each entry; for an EXISTS, PostgreSQL might scan the table.
        visible = sa.select(self._is_visible(repository, rows)).where(rows.c.id == entry.c.subject_id)
        found = sa.func.coalesce(visible.correlate(entry).scalar_subquery(), sa.false())
        return entry.c.resource == table.name, found

    def _is_visible(self, repository: type[Repository[Any]], rows: sa.FromClause) -> sa.ColumnElement[bool]:
        extensions = self._projector.extensions
        role = sa.cast(repository.policy.role(rows, extensions), sa.String())
        listed = sa.or_(*repository.policy.listed(rows, extensions))
        return sa.func.coalesce(sa.or_(role != sa.literal(ADMIN, sa.String()), sa.and_(CALLER_IS_ADMIN, listed)), False)

    def _told(self, judged: sa.Subquery, resources: Collection[str]) -> Any:
        """What the caller is told, and the last entry examined: with it, there may be more."""
        was_theirs, is_theirs = (_names_the_caller(judged, state, resources) for state in ("before", "after"))
        is_lost = sa.and_(sa.not_(judged.c.is_visible), was_theirs, sa.not_(is_theirs))
        entry = sa.select(judged, is_lost.label("is_lost"), is_theirs.label("is_theirs")).subquery("entry")
        version = sa.cast(entry.c.after["version"].astext, sa.Integer())
        is_gained = sa.and_(entry.c.part.is_not(None), entry.c.action == Action.CREATED.value, entry.c.is_theirs)
        itself = sa.select(
            sa.literal("", sa.String()).label("about"),
            sa.or_(entry.c.is_visible, entry.c.is_lost).label("is_told"),
            entry.c.resource,
            entry.c.subject_id.label("id"),
            sa.case((entry.c.is_lost, Action.DELETED.value), else_=entry.c.action).label("action"),
            sa.case((sa.or_(entry.c.is_lost, is_gained), sa.null()), else_=entry.c.part).label("part"),
            sa.case((entry.c.part.is_(None), version)).label("version"),
        )
        others = (self._changed_along(each, entry) for each in self._dependencies if each.on.name in resources)
        about = sa.union_all(*(found.correlate(entry) for found in (itself, *others))).lateral("about")
        change = (
            sa.select(entry.c.entry_id, entry.c.number, entry.c.at, entry.c.actor_id, about)
            .select_from(entry.join(about, sa.true()))
            .subquery("change")
        )
        is_told = sa.and_(change.c.is_told, is_in_scope(change.c.resource + sa.literal(f":{READS}", sa.String())))
        item = sa.case((is_told, self._projector.json(ChangeRead, change)))
        is_last = sa.and_(change.c.number == _literal(self._most_examined), change.c.about == "")
        told = sa.select(change.c.entry_id, change.c.number, change.c.about, item.label("item")).where(
            sa.or_(is_told, is_last), sa.or_(change.c.entry_id > LAST, change.c.about > ABOUT)
        )
        ordered = told.order_by(change.c.entry_id, change.c.about)
        return ordered.limit(sa.bindparam("most", type_=sa.Integer())).lateral("told")

    def _changed_along(self, dependency: Dependency, entry: sa.FromClause) -> sa.Select[Any]:
        """The documents of a resource that an entry of another one changed for the caller; NULL for any of them."""
        is_known = sa.or_(entry.c.is_visible, entry.c.is_lost, CALLER_IS_ADMIN)
        is_judged = sa.and_(is_known, dependency.is_judged(entry))
        ids = sa.func.array(dependency.ids(entry).limit(_literal(MOST_REACHED + 1)).scalar_subquery())
        # With the OFFSET, PostgreSQL looks for them once.
        reached = sa.select(ids.label("ids")).offset(_literal(0)).correlate(entry).lateral("reached")
        rows = dependency.rows.alias()
        seen = self._is_visible(dependency.repository, rows)
        found = (
            sa.select(rows.c.id, seen.label("is_seen"), sa.and_(sa.true(), *live(rows)).label("is_live"))
            .where(rows.c.id == sa.func.any(reached.c.ids))
            .correlate(reached)
            .subquery("found")
        )
        is_any = sa.or_(
            sa.false() if dependency.leads else sa.true(),
            sa.func.cardinality(reached.c.ids) > _literal(MOST_REACHED),
            # What the caller does not see now, they may have seen before, or never: its id is not told. It may also be
            # deleted: who sees a child that was deleted along with its parent can be told by the parent alone.
            sa.and_(is_judged, entry.c.is_visible, sa.not_(sa.func.bool_and(found.c.is_seen))),
            # What led from a row when the caller lost it may have been unlinked since, untold to them.
            sa.and_(is_judged, entry.c.is_lost),
        )
        few = sa.func.array_agg(found.c.id, type_=sa.ARRAY(sa.Uuid())).filter(found.c.is_seen, found.c.is_live)
        any_of_them = sa.cast(array([sa.null()]), sa.ARRAY(sa.Uuid()))
        changed = (
            sa.select(sa.case((is_any, any_of_them), else_=few).label("ids"))
            .select_from(found)
            .correlate(entry, reached)
            .lateral("changed")
        )
        each = sa.func.unnest(changed.c.ids).table_valued(sa.column("id", sa.Uuid())).render_derived("each")
        # `z` comes after the digits of an id: a page that ends within a few may be followed by one that tells of any.
        about = sa.literal(f"{dependency.rows.name}/") + sa.func.coalesce(sa.cast(each.c.id, sa.String()), "z")
        told = sa.select(
            about.label("about"),
            sa.true().label("is_told"),
            sa.literal(dependency.rows.name, sa.String()).label("resource"),
            each.c.id,
            sa.literal(Action.CHANGED.value).label("action"),
            sa.cast(sa.null(), sa.String()).label("part"),
            sa.cast(sa.null(), sa.Integer()).label("version"),
        )
        told = told.select_from(reached.join(changed, sa.true()).join(each, sa.true()))
        return told.where(sa.or_(is_judged, dependency.is_shown(entry)))


_entries = table_of(JournalEntry)


def _next(most: int, *, goes_on: bool) -> tuple[sa.Subquery, Any]:
    """The ids of the next new entries, whoever sees them, and these entries."""
    # The ids come first: PostgreSQL finds them in an index alone.
    picked = (
        sa.select(_entries.c.id)
        .where(VISIBLE, *(NOT_KNOWN if goes_on else ()), _entries.c.id >= LAST)
        .order_by(_entries.c.id)
        .limit(_literal(most))
        .subquery("picked")
    )
    # Each entry is looked up by its id: a join might scan the journal from its beginning.
    entry = sa.select(_entries).where(_entries.c.id == picked.c.id).limit(_literal(1)).lateral("entry")
    return picked, entry


def _names_the_caller(entries: sa.FromClause, state: str, resources: Collection[str]) -> sa.ColumnElement[bool]:
    """Whether the row of an entry names the caller as an account that owns a resource or shares in it."""
    tables = (table for table in Model.metadata.sorted_tables if resource_of(table) in resources)
    columns = (column for table in tables for column in table.columns if names_sharer(column))
    table, caller = sa.func.coalesce(entries.c.part, entries.c.resource), sa.cast(CALLER_ID, sa.String())
    named = (sa.and_(table == column.table.name, entries.c[state][column.name].astext == caller) for column in columns)
    return sa.func.coalesce(sa.or_(sa.false(), *named), sa.false())


def _literal(number: int) -> sa.ColumnElement[int]:
    """A number that the planner sees."""
    return sa.literal_column(str(number))
