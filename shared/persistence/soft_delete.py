"""Soft delete: a deleted row is invisible everywhere unless asked for, and comes back with its group."""

from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Update, event, func, update
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import col
from uuid_utils.compat import uuid7

from shared.persistence.models import SoftDeletable, Table

INCLUDE_DELETED = {"include_deleted": True}
"""Execution options of a statement that is to see deleted rows."""


@dataclass(frozen=True)
class Deletion:
    """One act of deletion: its id groups the rows that it takes along."""

    id: UUID = field(default_factory=uuid7)


def live(rows: FromClause) -> tuple[ColumnElement[bool], ...]:
    """What holds for the rows that are not deleted; nothing for a table that knows no soft delete."""
    return (rows.c.deleted_at.is_(None),) if "deleted_at" in rows.c else ()


def delete(model: type[SoftDeletable], where: ColumnElement[bool], deletion: Deletion) -> Update:
    """The statement that deletes the live rows that match."""
    deleted = update(model).where(where).values(deleted_at=func.now(), deletion_id=deletion.id)
    return deleted.execution_options(synchronize_session=False)


def restore(model: type[SoftDeletable], deletion_id: UUID) -> Update:
    """The statement that brings a group back. A unique rule may stand in the way: then its error is raised."""
    group = update(model).where(col(model.deletion_id) == deletion_id).values(deleted_at=None, deletion_id=None)
    return group.execution_options(synchronize_session=False, **INCLUDE_DELETED)


@event.listens_for(Session, "do_orm_execute")
def _hide_deleted_rows(state: ORMExecuteState) -> None:
    if not state.execution_options.get("include_deleted") and not state.is_column_load:
        models = [model for model in Table.__subclasses__() if issubclass(model, SoftDeletable)]
        state.statement = state.statement.options(*map(_only_live, models))


@cache
def _only_live(model: type[SoftDeletable]) -> ExecutableOption:
    return with_loader_criteria(model, col(model.deleted_at).is_(None), include_aliases=True)
