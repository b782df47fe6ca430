"""Rules: what PostgreSQL demands of the rows of a table, and the errors that tell of it."""

from collections.abc import Sequence

from sqlalchemy import Constraint, Index, Table, TextClause, event, text
from sqlalchemy.sql import quoted_name

from shared.errors import Conflict, DomainError


def live_unique(*columns: str | TextClause, raises: type[Conflict], name: str | None = None) -> Index:
    """A unique rule among live rows only: a deleted row keeps its name without blocking it.

    A change that breaks it raises the error. It is called `uq_<table>_<columns>`, or has a `name` of its own where a
    column is an expression.
    """
    rule = Index(name, *columns, unique=True, postgresql_where=text("deleted_at IS NULL"), info={"raises": raises})

    @event.listens_for(rule, "after_parent_attach")
    def attached(rule: Index, table: Table) -> None:
        rule.name = quoted_name(name or f"uq_{table.name}_{'_'.join(map(str, columns))}", quote=None)
        raises.tells_of(str(rule.name))

    return rule


def live_rule(table: Table, columns: Sequence[str]) -> Index:
    """The unique rule of these columns, as `live_unique` makes it."""
    return next(index for index in table.indexes if index.unique and index.columns.keys() == [*columns])


def rules_of(table: Table, *, of_the_live: bool = False) -> frozenset[type[DomainError]]:
    """The errors of the rules of a table: what a change of its rows may break, or only what a row that becomes live may
    break.
    """
    rules: list[Index | Constraint] = [*table.indexes, *(() if of_the_live else table.constraints)]
    names = {rule.name for rule in rules}
    return frozenset(error for rule, error in DomainError.by_constraint.items() if rule in names)
