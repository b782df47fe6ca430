"""The triggers of a table: what keeps its rows' version, and what writes the journal. No author forgets them."""

from collections.abc import Sequence
from typing import NamedTuple

from alembic.util import PriorityDispatchResult
from sqlalchemy import Table, text

from app.migrations.operations import Sql, Tables, quote

_ARGUMENTS = text("""
    SELECT tgname, string_to_array(encode(tgargs, 'escape'), '\\000') FROM pg_trigger
    WHERE tgrelid = to_regclass(:table) AND tgname IN ('touch', 'journal_inserted')""")
ERASED = (
    "The journal forgets what it has told of the new secret, and the way down does not bring that back. PostgreSQL "
    "reads the whole journal, and nobody can use the table meanwhile."
)


class Triggers(NamedTuple):
    """Statements that make them, and that drop them."""

    make: Sequence[str]
    drop: Sequence[str]


NONE = Triggers([], [])


def touching(table: str) -> Triggers:
    """What keeps the version of a table's rows."""
    make = f"CREATE TRIGGER touch BEFORE UPDATE ON {quote(table)} FOR EACH ROW EXECUTE FUNCTION trellis_touch()"
    return Triggers([make], [f"DROP TRIGGER touch ON {quote(table)}"])


def telling(table: str, arguments: Sequence[str]) -> Triggers:
    """What writes the journal."""
    texts = ", ".join(f"'{argument}'" for argument in (table, *arguments))
    drops = [f"DROP TRIGGER {name} ON {quote(table)}" for name in ("journal_inserted", "journal_changed")]
    return Triggers([f"SELECT trellis_journal({texts})"], drops)


def journalled(table: Table) -> tuple[str, ...] | None:
    """What the journal's triggers of a table are to be told: the resource, the column of its id, what is not recorded.

    None for a table whose rows the journal does not record.
    """
    columns = table.columns
    if "version" not in columns and "recorded_with" not in table.info:
        return None
    resource, subject = table.info.get("recorded_with", (table.name, "id"))
    untold = {column.name for column in columns if column.computed or column.info.get("secret")}
    return resource, subject, f"{{{','.join(sorted((untold | {'updated_at'}) & set(columns.keys())))}}}"


def of_model(table: Table) -> list[Triggers]:
    """Those that a model's table has to have: of its version, and of the journal."""
    tells = journalled(table)
    return [
        touching(table.name) if "version" in table.columns else NONE,
        telling(table.name, tells) if tells else NONE,
    ]


def compare_triggers(*tables: *Tables) -> PriorityDispatchResult:
    """Make those that are missing, drop those that are not to be, and make anew what is to tell otherwise."""
    context, operations, _, name, found, wanted = tables
    assert context.connection is not None
    there = context.connection.execute(_ARGUMENTS, {"table": quote(name)}).all() if found is not None else []
    arguments = {trigger: tuple(given[:-1]) for trigger, given in there}
    told = arguments.get("journal_inserted")
    has = [touching(name) if "touch" in arguments else NONE, telling(name, told) if told else NONE]
    for was, becomes in zip(has, of_model(wanted) if wanted is not None else [NONE, NONE], strict=True):
        if was != becomes:
            # Those of a table that goes or comes do so with it.
            up = [*was.drop, *becomes.make] if wanted is not None else []
            down = [*becomes.drop, *was.make] if found is not None else []
            operations.ops.append(Sql(name, up, down))
    tells = journalled(wanted) if wanted is not None else None
    if found is not None and told and tells:
        plain = {column.name for column in found.columns if column.computed is None}
        if secrets := sorted((_untold(tells) - _untold(told)) & plain):
            operations.ops.append(Sql(name, [_forget(name, told[0], secret) for secret in secrets], [], ERASED))
    return PriorityDispatchResult.CONTINUE


def _untold(arguments: Sequence[str]) -> set[str]:
    return set(arguments[2].strip("{}").split(","))


def _forget(table: str, resource: str, column: str) -> str:
    """Takes a column's values from the journal: histories show them."""
    part = "part IS NULL" if resource == table else f"part = '{table}'"
    return (
        f"UPDATE journal SET before = before - '{column}', after = after - '{column}' "  # noqa: S608 (names)
        f"WHERE resource = '{resource}' AND {part} AND (before ? '{column}' OR after ? '{column}')"
    )
