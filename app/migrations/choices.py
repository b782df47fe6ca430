"""CHECK constraints that change, and what becomes of rows that hold a value of an enumeration that is gone."""

import re
from collections.abc import Mapping, Sequence

from app.migrations.operations import Sql, quote

_SPELLED = re.compile(r"^CHECK \(\(+(\w+)\)?(?:::text)? = (?:ANY \(.*|'(?:[^']|'')*'::(?:text|character varying)\)\))$")
_WRITTEN = re.compile(r"CHECK \((\w+) IN \(.*\)\)$")
_VALUE = re.compile(r"'((?:[^']|'')*)'")
SCANS = "PostgreSQL reads the whole table for the constraint, and nobody can use the table meanwhile."


class Choice(Sql):
    """Another set of values of an enumeration's column. Rows with a value that is gone get another one."""

    def __init__(self, table: str, check: str, column: str, was: Sequence[str], becomes: Sequence[str]) -> None:
        super().__init__(table, (), (), SCANS)
        self.check = check
        self.column = column
        self.was = was
        self.becomes = becomes
        self.up, self.down = self._both(None)
        if self.added:
            added = ", ".join(map(repr, self.added))
            self.on_the_way_down = [
                f"Rows with {added}, which the former version does not know, become {self.was[0]!r}."
            ]

    @property
    def removed(self) -> list[str]:
        """Values that rows may have and must no longer have."""
        return [value for value in self.was if value not in self.becomes]

    @property
    def added(self) -> list[str]:
        """Values that the former version does not know."""
        return [value for value in self.becomes if value not in self.was]

    def fill(self, expression: str) -> None:
        """Say what rows with removed values get: an SQL expression."""
        self.up, self.down = self._both(expression)

    def _both(self, fill: str | None) -> tuple[list[str], list[str]]:
        return (
            self._changed(self.removed, fill, self.becomes),
            self._changed(self.added, f"'{_quoted(self.was[0])}'", self.was),
        )

    def _changed(self, gone: Sequence[str], fill: str | None, values: Sequence[str]) -> list[str]:
        table, check, column = quote(self.table), quote(self.check), quote(self.column)
        drop, add = f"DROP CONSTRAINT {check}", f"ADD CONSTRAINT {check} CHECK ({column} IN ({_texts(values)}))"
        if not gone or fill is None:
            return [f"ALTER TABLE {table} {drop}, {add}"]
        update = f"UPDATE {table} SET {column} = {fill} WHERE {column} IN ({_texts(gone)})"  # noqa: S608 (a team's own)
        return [f"ALTER TABLE {table} {drop}", update, f"ALTER TABLE {table} {add}"]


def changed_choice(table: str, check: str, was: str | None, becomes: str | None) -> Sql:
    """What makes a CHECK constraint of PostgreSQL's spelling `was` the one that the statement `becomes` adds."""
    before, after = _choice(_SPELLED, was), _choice(_WRITTEN, becomes)
    if before and after and before[0] == after[0]:
        return Choice(table, check, before[0], before[1], after[1])
    if before:
        was = f"CHECK ({quote(before[0])} IN ({_texts(before[1])}))"
    drop = f"DROP CONSTRAINT {quote(check)}"
    adds = becomes and becomes.partition(f"ALTER TABLE {quote(table)} ")[2]
    restores = was and f"ADD CONSTRAINT {quote(check)} {was}"
    up = ", ".join(part for part in (drop if was else None, adds) if part)
    down = ", ".join(part for part in (drop if becomes else None, restores) if part)
    remarks = [f"It fails if a row breaks the rule: mend the rows before. {SCANS}"] if becomes else []
    return Sql(table, [f"ALTER TABLE {quote(table)} {up}"], [f"ALTER TABLE {quote(table)} {down}"], *remarks)


def is_same_choice(one: str | None, other: str | None) -> bool:
    """Whether two constraints of PostgreSQL's spelling are of the same values. A restored dump has another spelling."""
    return (values := _choice(_SPELLED, one)) is not None and values == _choice(_SPELLED, other)


def first_value(checks: Mapping[str, str], column: str) -> str | None:
    """The first value of a column's enumeration, quoted for SQL; None for other columns."""
    choices = (_choice(_SPELLED, check) for check in checks.values())
    return next((_quoted(values[0]) for name, values in filter(None, choices) if name == column), None)


def _choice(form: re.Pattern[str], text: str | None) -> tuple[str, list[str]] | None:
    """The column and the values of an enumeration's constraint."""
    found = form.search(text) if text else None
    return (found[1], [value.replace("''", "'") for value in _VALUE.findall(text or "")]) if found else None


def _texts(values: Sequence[str]) -> str:
    return ", ".join(f"'{_quoted(value)}'" for value in values)


def _quoted(value: str) -> str:
    return value.replace("'", "''")
