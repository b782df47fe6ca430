"""`trellis migrate`: brings a database to this version's schema, or back to that of the release before."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from alembic import command

from app.checks import refuse_unfit
from app.migrations.back import COLUMNS, Column, losses, released, target, way_back
from app.migrations.branches import Revision, faults, in_order, revisions
from app.migrations.errors import MigrationError
from app.migrations.leaving import keep, told_of_unknown
from app.migrations.moves import Moves, Way
from app.migrations.planning import LARGE_BYTES, Step, copied, dangers, sizes, told
from app.migrations.turn import migrating
from shared.upkeep import Standing, standing_of
from shared.wire import connect

_HALF_BUILT = """
    SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND pg_table_is_visible(indrelid)
        AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index)"""

UP_TO_DATE = "The database is up to date."

Connection = psycopg.Connection[Any]


def upgrade(database_url: str, *, is_development: bool = False, may_block: bool = False) -> str:
    """Bring a database to the newest revision of every branch. A sentence about the result.

    Each migration has a transaction of its own, so that no lock is held through the next one. On an empty database,
    where nobody waits, all have one. In development the database keeps the files, for `--to-here`.

    A migration waits only half a second for a lock, because all later requests wait behind it. Then it is rolled back
    and tried again. One that would work through a large table while others wait is refused, unless it `may_block` or
    it is in development. Raises MigrationError, psycopg.Error.
    """
    for fault in faults():
        raise MigrationError(fault)
    with migrating(database_url) as connection:
        refuse_unfit(connection)
        schema = standing_of(connection)
        if schema.ahead:
            return _told_of_being_ahead(schema, is_development=is_development)
        missing, is_empty = _missing(schema)
        if missing and not is_empty:
            _refuse_half_built(connection)
            if not is_development and not may_block:
                _refuse_blocking(database_url, connection, _upwards(missing))
        applied: list[str] = []
        moves = Moves(database_url, command.upgrade)
        for step in ["heads"] if is_empty else missing:
            moves.make(step)
            applied += missing if is_empty else [step]
        if is_development:
            keep(connection, applied)
    return UP_TO_DATE


def go_back(database_url: str, *, may_lose: bool = False, is_development: bool = False, may_block: bool = False) -> str:
    """Bring a database to the schema of the release before. A sentence about the result.

    Refused when rows would lose what they have been given since, unless it `may_lose` that; and where others would
    wait, as `upgrade` is. Raises MigrationError, psycopg.Error.
    """
    with migrating(database_url) as connection:
        undone = way_back(connection, released().heads)
        if not undone:
            return "The database has no migrations that came after the release before."
        if not may_lose and (loss := _loss(database_url, connection, undone)):
            raise MigrationError(loss)
        if not is_development and not may_block:
            _refuse_blocking(database_url, connection, _downwards(undone))
        moves = Moves(database_url, command.downgrade)
        for revision in undone:
            moves.make(target(revision), revision.id)
    return f"Taken back: {', '.join(revision.id for revision in undone)}."


def planned(database_url: str, *, is_back: bool = False) -> Iterator[str]:
    """What `upgrade` or `go_back` would do, line by line, as SQL with remarks. Raises as they do."""
    warnings: list[str] = []
    with connect(database_url, "trellis migrate", autocommit=True) as connection:
        if is_back:
            undone = way_back(connection, released().heads)
            warnings += filter(None, [_loss(database_url, connection, undone)])
            steps = _rehearsed(database_url, connection, _downwards(undone))
        else:
            schema = standing_of(connection)
            if schema.ahead:
                yield f"-- {_told_of_being_ahead(schema, is_development=False)}"
                return
            missing, is_empty = _missing(schema)
            if is_empty:
                yield "-- The database is empty: nobody waits for anything."
                return
            steps = _rehearsed(database_url, connection, _upwards(missing))
        yield from told(steps, bytes := sizes(connection))
    if not steps:
        yield "-- There is nothing to do."
    for warning in [*warnings, *(f"{danger}." for danger in dangers(steps, bytes))]:
        yield f"-- WARNING: {warning}"


def _missing(schema: Standing) -> tuple[list[str], bool]:
    """The migrations to run, in their order, and whether these are all that there are."""
    order = in_order(revisions())
    missing = [revision.id for revision in order if revision.id in schema.lacks]
    return missing, len(missing) == len(order)


def _rehearsed(url: str, connection: Connection, moves: Sequence[tuple[str, Way, str]]) -> list[Step]:
    if not moves:
        return []
    with copied(url, _applied(connection)) as rehearsal:
        for move in moves:
            rehearsal.run(*move)
    return rehearsal.steps


def _loss(url: str, connection: Connection, undone: Sequence[Revision]) -> str:
    """A sentence about what rows have that the way back loses; empty when there is nothing."""
    lost = list(losses(connection, *_columns_along(url, connection, undone))) if undone else []
    return (
        f"Rows have values that would be lost, in {', '.join(lost)}. --lose-data goes back all the same."
        if lost
        else ""
    )


def _columns_along(url: str, connection: Connection, undone: Sequence[Revision]) -> tuple[list[Column], list[Column]]:
    """The columns before and after the way back."""
    with copied(url, _applied(connection)) as rehearsal:
        before: list[Any] = rehearsal.ask(COLUMNS)
        for revision in undone:
            rehearsal.run(revision.id, command.downgrade, target(revision))
        after: list[Any] = rehearsal.ask(COLUMNS)
    return before, after


def _applied(connection: Connection) -> set[str]:
    return {revision.id for revision in revisions()} - standing_of(connection).lacks


def _upwards(missing: Sequence[str]) -> list[tuple[str, Way, str]]:
    return [(id, command.upgrade, id) for id in missing]


def _downwards(undone: Sequence[Revision]) -> list[tuple[str, Way, str]]:
    return [(revision.id, command.downgrade, target(revision)) for revision in undone]


def _refuse_blocking(url: str, connection: Connection, moves: Sequence[tuple[str, Way, str]]) -> None:
    """Raises MigrationError. Where no table is large, nothing has to be rehearsed."""
    bytes = sizes(connection)
    if max(bytes.values(), default=0) < LARGE_BYTES:
        return
    if found := dangers(_rehearsed(url, connection, moves), bytes):
        raise MigrationError(
            f"{'. '.join(found)}. Nothing was changed. `trellis migrate --plan` shows the statements; --may-block runs "
            "them all the same."
        )


def _refuse_half_built(connection: Connection) -> None:
    """Raises MigrationError for an index whose concurrent creation failed: to create it if it is not there does nothing
    then.
    """
    found = [name for (name,) in connection.execute(_HALF_BUILT).fetchall()]
    if found:
        raise MigrationError(
            f"The index {found[0]} was created in part only, and nobody is at it. First: DROP INDEX CONCURRENTLY "
            f"{found[0]}"
        )


def _told_of_being_ahead(schema: Standing, *, is_development: bool) -> str:
    newer = f"The database's schema is ahead of this version's, at {', '.join(sorted(schema.ahead))}"
    if is_development:
        newer = f"{told_of_unknown(schema.ahead)} {newer}"
    if schema.lacks:
        raise MigrationError(f"{newer}, and not within its reach: it lacks {', '.join(sorted(schema.lacks))}.")
    return f"{newer}, and has all that it needs: there is nothing to do."
