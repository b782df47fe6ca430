"""What stands in a database's catalogue, in lines that can be compared."""

from typing import Any

import psycopg

COLUMNS = """
    SELECT format('%s.%s %s %s default %s', attrelid::regclass, attname, format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN 'not null' ELSE 'null' END, coalesce(pg_get_expr(adbin, adrelid), 'none'))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped AND relnamespace = 'public'::regnamespace"""
CONSTRAINTS = """
    SELECT format('%s %s: %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        AND contype <> 'n'  -- PostgreSQL 18 has NOT NULL here as well, by names that a renamed column outlives."""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
TRIGGERS = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
FUNCTIONS = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
TYPES = "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')"

TABLES = (COLUMNS, CONSTRAINTS, INDEXES)
EVERYTHING = (*TABLES, TRIGGERS, FUNCTIONS, TYPES)


def catalogue(url: str, kinds: tuple[str, ...] = EVERYTHING) -> list[str]:
    """What there is but for Alembic's own table; of the queue's tables, which no model has, only among everything."""
    with connect(url) as connection:
        lines = [line for kind in kinds for (line,) in connection.execute(kind)]
    others = ("alembic_version",) if kinds is EVERYTHING else ("alembic_version", "procrastinate_")
    return sorted(line for line in lines if not any(other in line for other in others))


def tables(url: str) -> set[str]:
    """The names of the tables but for Alembic's own and the queue's."""
    with connect(url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in found if not name.startswith("procrastinate_")} - {"alembic_version"}


def connect(url: str) -> "psycopg.Connection[Any]":
    """A connection in autocommit."""
    return psycopg.connect(url, autocommit=True)
