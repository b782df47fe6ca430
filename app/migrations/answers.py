"""What the tables and the database do not tell of a change: told by options, or asked at a terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.migrations.errors import MigrationError
from app.migrations.renames import Rename


@dataclass(frozen=True)
class Answers:
    """Of one call of `trellis revision`."""

    renames: Sequence[str] = ()
    """`table.old:new` for a column, `old:new` for a table."""
    fills: Mapping[str, str] = field(default_factory=dict)
    """SQL expressions for rows that need a value, by `column` or by `table.column`."""
    has_no_rename: bool = False
    """Whether what looks like a rename is none."""
    ask: Callable[[str], str] | None = None
    """Asks somebody at a terminal."""
    used: set[str] = field(default_factory=set)
    """The fills that were needed."""

    def fill(self, table: str, column: str, rows: str) -> str:
        """The expression for rows without a value. Raises MigrationError when nobody gives one."""
        for name in (f"{table}.{column}", column):
            if name in self.fills:
                self.used.add(name)
                return self.fills[name]
        if self.ask is None:
            raise MigrationError(
                f"{table}.{column} needs a value for {rows}: give an SQL expression by --fill {table}.{column}=SQL."
            )
        return self.ask(f"{table}.{column} needs a value for {rows}. An SQL expression")

    def is_renamed(self, rename: Rename) -> bool:
        """Whether it is one. Raises MigrationError when nobody says so."""
        if self.has_no_rename:
            return False
        where = "" if rename.of_table else f" of {rename.table}"
        if self.ask is None:
            raise MigrationError(
                f"{rename.old}{where} goes, and {rename.new}, which is alike, comes: say --rename {rename} to keep "
                "what is in it, or --no-rename to drop it."
            )
        return self.ask(f"Was {rename.old}{where} renamed to {rename.new}? y or n").strip().lower() in {"y", "yes"}
