"""Soft delete: statements see no deleted rows unless they ask for them."""

from functools import cache

from sqlalchemy import ColumnElement, FromClause, event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import col

from shared.rows.models import Model, SoftDeletable

INCLUDE_DELETED = {"include_deleted": True}
"""The execution options of a statement of the session that sees deleted rows, too."""


def live(rows: FromClause) -> tuple[ColumnElement[bool], ...]:
    """The condition of rows that are not deleted; empty for a table without soft delete."""
    return (rows.c.deleted_at.is_(None),) if "deleted_at" in rows.c else ()


@event.listens_for(Session, "do_orm_execute")
def _hide_deleted_rows(state: ORMExecuteState) -> None:
    if not state.execution_options.get("include_deleted") and not state.is_column_load:
        models = [model for model in Model.__subclasses__() if issubclass(model, SoftDeletable)]
        state.statement = state.statement.options(*map(_only_live, models))


@cache
def _only_live(model: type[SoftDeletable]) -> ExecutableOption:
    return with_loader_criteria(model, col(model.deleted_at).is_(None), include_aliases=True)
