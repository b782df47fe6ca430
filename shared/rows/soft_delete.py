"""Soft delete: a deleted row is invisible everywhere unless asked for, and comes back with its group."""

from functools import cache
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, event, func, literal_column, select, tuple_, update
from sqlalchemy import Table as SchemaTable
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import col
from uuid_utils.compat import uuid7

from shared.errors import Conflict, Obstacle
from shared.rows.models import SoftDeletable, Table, table_of
from shared.wire import translated

INCLUDE_DELETED = {"include_deleted": True}
"""Execution options of a statement that is to see deleted rows."""


def live(rows: FromClause) -> tuple[ColumnElement[bool], ...]:
    """What holds for the rows that are not deleted; nothing for a table that knows no soft delete."""
    return (rows.c.deleted_at.is_(None),) if "deleted_at" in rows.c else ()


async def delete_group(
    session: AsyncSession, model: type[SoftDeletable], where: ColumnElement[bool], deletion_id: UUID | None = None
) -> UUID:
    """Delete the live rows that match, together with what else has this deletion's id, and give that id."""
    deletion_id = deletion_id or uuid7()
    deleted = update(model).where(where).values(deleted_at=func.now(), deletion_id=deletion_id)
    await session.execute(deleted, execution_options={"synchronize_session": False})
    return deletion_id


async def restore(session: AsyncSession, model: type[SoftDeletable], where: ColumnElement[bool]) -> None:
    """Bring back the deleted rows that match. A unique rule may stand in the way: then its error is raised, and tells
    the live row that does.
    """
    deleted = where & col(model.deleted_at).is_not(None)
    restored = update(model).where(deleted).values(deleted_at=None, deletion_id=None)
    try:
        with translated():
            async with session.begin_nested():
                await session.execute(restored, execution_options={"synchronize_session": False, **INCLUDE_DELETED})
    except Conflict as conflict:
        conflict.obstacle = await _obstacle(session, table_of(model), deleted, conflict.constraint)
        raise


async def restore_group(session: AsyncSession, model: type[SoftDeletable], deletion_id: UUID) -> None:
    """Bring back what was deleted together. Raises as `restore` does."""
    await restore(session, model, col(model.deletion_id) == deletion_id)


async def _obstacle(
    session: AsyncSession, table: SchemaTable, deleted: ColumnElement[bool], rule: str | None
) -> Obstacle | None:
    """The live row that has the values of a deleted one in the columns of this unique rule."""
    found = [index for index in table.indexes if index.unique and index.name == rule]
    if not found or "id" not in table.c:
        return None
    values = [
        value if isinstance(value, ColumnElement) else literal_column(str(value)) for value in found[0].expressions
    ]
    wanted = select(*values).select_from(table).where(deleted).correlate(None)
    same = select(table.c.id).where(tuple_(*values).in_(wanted), *live(table)).order_by(table.c.id).limit(1)
    id: UUID | None = await session.scalar(same, execution_options=INCLUDE_DELETED)
    return None if id is None else Obstacle(table.name, id)


@event.listens_for(Session, "do_orm_execute")
def _hide_deleted_rows(state: ORMExecuteState) -> None:
    if not state.execution_options.get("include_deleted") and not state.is_column_load:
        models = [model for model in Table.__subclasses__() if issubclass(model, SoftDeletable)]
        state.statement = state.statement.options(*map(_only_live, models))


@cache
def _only_live(model: type[SoftDeletable]) -> ExecutableOption:
    return with_loader_criteria(model, col(model.deleted_at).is_(None), include_aliases=True)
