"""Soft delete: a deleted row is invisible everywhere unless asked for, and comes back with its group."""

from functools import cache
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, event, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import col
from uuid_utils.compat import uuid7

from shared.persistence.models import SoftDeletable, Table

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


async def restore_group(session: AsyncSession, model: type[SoftDeletable], deletion_id: UUID) -> None:
    """Bring back what was deleted together. A unique rule may stand in the way: then its error is raised."""
    group = update(model).where(col(model.deletion_id) == deletion_id).values(deleted_at=None, deletion_id=None)
    await session.execute(group, execution_options={"synchronize_session": False, **INCLUDE_DELETED})


@event.listens_for(Session, "do_orm_execute")
def _hide_deleted_rows(state: ORMExecuteState) -> None:
    if not state.execution_options.get("include_deleted") and not state.is_column_load:
        models = [model for model in Table.__subclasses__() if issubclass(model, SoftDeletable)]
        state.statement = state.statement.options(*map(_only_live, models))


@cache
def _only_live(model: type[SoftDeletable]) -> ExecutableOption:
    return with_loader_criteria(model, col(model.deleted_at).is_(None), include_aliases=True)
