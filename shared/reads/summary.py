"""Summaries: what a module publishes of its rows, in its `api.py`."""

from typing import Any, ClassVar

from sqlalchemy import Column, Table, TableClause
from sqlalchemy import table as clause

from shared.reads.projection import Document


class Summary(Document):
    """A row as other modules see and embed it: `class TagSummary(Summary, of=Tag)`.

    Its `rows` have the declared columns, the id, and `deleted_at` where there is soft delete. So a statement of another
    module joins the table, and can name none of its other columns.
    """

    rows: ClassVar[TableClause]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not isinstance(cls.rows, TableClause):
            raise TypeError(f"{cls.__name__} is a summary of what is no table.")
        if isinstance(cls.rows, Table):
            cls.rows = _published(cls.rows, {"id", "deleted_at", *cls.model_fields})


def _published(table: Table, names: set[str]) -> TableClause:
    """The table by its own name, so that PostgreSQL plans as for the table itself."""
    found = [column for column in table.columns if column.name in names]
    return clause(table.name, *(Column(column.name, column.type, nullable=column.nullable) for column in found))
