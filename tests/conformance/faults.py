"""Faults of a kernel, each of which the kit has to catch: planted in the process, or in the database of a test.

Each names the test that catches it. Where the kernel is rewritten, a plant may have to move: an AttributeError says
that it no longer fits, and the test that it no longer bites.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import ne
from typing import Any

import pytest
import sqlalchemy as sa

import shared.auth.policy
import shared.http.routes.mutations
import shared.reads.conditions
import shared.reads.reader
from shared.auth import Policy
from shared.errors import NotFound
from shared.feed.statements import FeedStatements
from shared.reads.conditions import Conditions
from shared.reads.cursors import Cursors
from shared.reads.keyset import Key, after
from shared.reads.reader import Reader
from shared.reads.statements import ListStatements
from shared.reads.totals import Totals
from shared.schemas import Patch
from shared.upkeep import purge
from shared.wire import Record, Statement, UnitOfWork
from shared.writes.idempotency import Idempotency, Keyed
from shared.writes.repository import Repository
from shared.writes.resources import Resources
from shared.writes.verbs import Verbs
from tests.conformance.faces import Face


@dataclass(frozen=True)
class Fault:
    """What is wrong, and the test that has to tell."""

    name: str
    caught_by: str
    plant: Callable[[pytest.MonkeyPatch], None] = lambda _: None
    sql: Callable[[Face], str] = lambda _: ""
    """Statements in the test's transaction."""


def _deletes_without_policy(patch: pytest.MonkeyPatch) -> None:
    demand = Policy.demand

    def lenient(self: Policy, action: str, role: str, denial: Any) -> None:
        if action != "delete":
            demand(self, action, role, denial)

    patch.setattr(Policy, "demand", lenient)


def _forbids_what_is_hidden(patch: pytest.MonkeyPatch) -> None:
    lock = Repository.lock

    async def telling(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return await lock(self, *args, **options)
        except NotFound:
            raise self.denied from None

    patch.setattr(Repository, "lock", telling)


def _forgets_nulls_at_page_ends(patch: pytest.MonkeyPatch) -> None:
    beyond = Key.beyond
    patch.setattr(Key, "beyond", lambda self, after_null: beyond(self._replace(nullable=False), after_null))


def _repeats_ties_at_page_ends(patch: pytest.MonkeyPatch) -> None:

    def again(keys: Any, nulls: Any) -> Any:
        return [sa.or_(*after(keys, nulls), sa.and_(*(key.same(null) for key, null in zip(keys, nulls, strict=True))))]

    patch.setattr("shared.reads.keyset.after", again)


def _skips_ties_at_page_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("shared.reads.keyset.after", lambda keys, nulls: after(keys[:-1], nulls[:-1]))


def _lists_deleted_rows(patch: pytest.MonkeyPatch) -> None:
    of_deletion = Conditions._of_deletion

    def lenient(self: Conditions, deleted: str, rows: sa.FromClause) -> Any:
        return () if deleted == "exclude" else of_deletion(self, deleted, rows)

    patch.setattr(Conditions, "_of_deletion", lenient)


def _exports_without_filter(patch: pytest.MonkeyPatch) -> None:
    export = ListStatements.export
    patch.setattr(ListStatements, "export", lambda self, shape: export(self, replace(shape, filters=())))


def _counts_without_filter(patch: pytest.MonkeyPatch) -> None:
    compile_ = Totals._compile
    patch.setattr(Totals, "_compile", lambda self, shape: compile_(self, replace(shape, filters=())))


def _affects_what_one_sees(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Policy, "permits", lambda *_: sa.true())


def _misses_deletions(patch: pytest.MonkeyPatch) -> None:
    is_visible = FeedStatements._is_visible

    def of_live_rows(self: FeedStatements, repository: Any, rows: sa.FromClause) -> Any:
        return sa.and_(is_visible(self, repository, rows), rows.c.deleted_at.is_(None))

    patch.setattr(FeedStatements, "_is_visible", of_live_rows)


def _replays_to_anybody(patch: pytest.MonkeyPatch) -> None:
    async def permit(*_: Any) -> None:
        pass

    patch.setattr(Resources, "demand", permit)


def _ignores_if_match(patch: pytest.MonkeyPatch) -> None:
    async def settle(_: Any, change: Any, __: Any) -> None:
        change.is_settled = True

    patch.setattr(Repository, "_demand_version", settle)


def _commits_dry_runs(patch: pytest.MonkeyPatch) -> None:
    end = UnitOfWork.end

    async def commit(self: UnitOfWork, *, dry_run: bool, then: Statement | None = None) -> list[Record]:
        return await end(self, dry_run=False, then=None if dry_run else then)

    patch.setattr(UnitOfWork, "end", commit)


def _commits_each_operation(patch: pytest.MonkeyPatch) -> None:
    flush = UnitOfWork.flush

    async def commit(self: UnitOfWork) -> None:
        await flush(self)
        await self.command("COMMIT", "BEGIN")

    patch.setattr(UnitOfWork, "flush", commit)


def _takes_any_body_for_the_same(patch: pytest.MonkeyPatch) -> None:
    keyed = Idempotency.keyed

    def careless(self: Idempotency, key: str, caller: Any, *_: bytes) -> Keyed:
        return keyed(self, key, caller)

    patch.setattr(Idempotency, "keyed", careless)


def _reads_twice(patch: pytest.MonkeyPatch) -> None:
    get = Reader.get

    async def twice(self: Any, *args: Any) -> Any:
        await get(self, *args)
        return await get(self, *args)

    patch.setattr(Reader, "get", twice)


def _leaves_what_belongs_to_it(patch: pytest.MonkeyPatch) -> None:
    async def leave(*_: Any) -> None:
        pass

    patch.setattr(Verbs, "delete_along", leave)


def _signs_for_everybody(patch: pytest.MonkeyPatch) -> None:
    sign = Cursors.sign
    patch.setattr(Cursors, "sign", lambda self, position, _: sign(self, position, ""))


def _purges_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(purge, "_is_older", lambda at, _: at < sa.func.now())


def _without_unique_rules(face: Face) -> str:
    return ";".join(f"DROP INDEX {rule}" for rule in face.rules)


def _with_secrets_told(face: Face) -> str:
    name = face.table.name
    dropped = [f"DROP TRIGGER journal_{when} ON {name}" for when in ("inserted", "changed")]
    return ";".join([*dropped, f"SELECT trellis_journal('{name}', '{name}', 'id', '{{updated_at,search}}')"])


def _patched(target: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(target, name, value)


FAULTS = [
    Fault("a deletion that asks no policy", "test_a_role_may_do_what_the_policy_allows_it", _deletes_without_policy),
    Fault(
        "a row that can be deleted twice, it says",
        "test_a_role_is_told_what_it_may_do",
        _patched(shared.auth.policy, "_is_now", lambda *_: sa.true()),
    ),
    Fault("403 for 404", "test_to_an_outsider_a_row_is_like_one_that_never_was", _forbids_what_is_hidden),
    Fault(
        "a deleted row that can be read",
        "test_a_deleted_row_is_like_one_that_never_was",
        _patched(shared.reads.reader, "live", lambda _: ()),
    ),
    Fault("a replay to who has lost the right", "test_who_has_lost_their_rights_gets_no_replay", _replays_to_anybody),
    Fault("a key for any body", "test_another_request_with_the_key_is_refused", _takes_any_body_for_the_same),
    Fault("If-Match that is ignored", "test_a_stale_tag_stops_the_change", _ignores_if_match),
    Fault("a dry run that is kept", "test_a_dry_run_answers_as_the_write_and_keeps_nothing", _commits_dry_runs),
    Fault(
        "a minimal answer with its document",
        "test_a_minimal_answer_has_no_document",
        _patched(shared.http.routes.mutations, "_minimal", lambda response: response),
    ),
    Fault(
        "a patch in which null is nothing",
        "test_null_clears_a_field_where_it_may_be_null",
        _patched(Patch, "changes", lambda self: self.model_dump(exclude_unset=True, exclude_none=True)),
    ),
    Fault(
        "nulls lost at a page's end",
        "test_a_sort_orders_the_list_at_any_size_of_its_pages",
        _forgets_nulls_at_page_ends,
    ),
    Fault(
        "ties told twice at a page's end",
        "test_a_sort_orders_the_list_at_any_size_of_its_pages",
        _repeats_ties_at_page_ends,
    ),
    Fault(
        "ties lost at a page's end", "test_a_sort_orders_the_list_at_any_size_of_its_pages", _skips_ties_at_page_ends
    ),
    Fault(
        "`ne` without nulls",
        "test_an_operator_keeps_the_rows_for_which_it_holds",
        lambda patch: patch.setitem(shared.reads.conditions._CONDITIONS, "ne", ne),
    ),
    Fault("cursors for everybody", "test_a_cursor_is_good_for_its_own_list_and_caller_alone", _signs_for_everybody),
    Fault("deleted rows in lists", "test_deleted_rows_are_listed_only_when_asked_for", _lists_deleted_rows),
    Fault("a restore past the unique rule", "test_a_restore_names_the_row_in_its_way", sql=_without_unique_rules),
    Fault(
        "a deletion that leaves what belongs to it",
        "test_a_row_goes_and_comes_back_with_what_it_belongs_to",
        _leaves_what_belongs_to_it,
    ),
    Fault("a purge of the trash", "test_what_is_past_its_retention_is_purged", _purges_at_once),
    Fault("a secret in the history", "test_a_secret_is_in_no_answer", sql=_with_secrets_told),
    Fault("a feed without deletions", "test_the_feed_tells_of_each_change_once", _misses_deletions),
    Fault("a batch that is kept in part", "test_a_failure_keeps_nothing_of_all", _commits_each_operation),
    Fault("an export without the filter", "test_an_export_is_narrowed_like_the_list", _exports_without_filter),
    Fault("totals without the filter", "test_rows_with_the_same_value_are_a_group", _counts_without_filter),
    Fault(
        "a change of all that one sees", "test_rows_on_which_one_may_not_do_that_do_not_match", _affects_what_one_sees
    ),
    Fault("a read of two statements", "test_a_read_is_one_statement", _reads_twice),
]
