"""A connection of a command's own, past the lanes: for migrations, for seeding, and to look at a database."""

import os
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

CONNECT_SECONDS = 5
"""For each host of the URL."""

RELIED_ON = {
    "datestyle": "ISO, MDY",
    "timezone": "UTC",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
}
"""What the code relies on. A database, a role or the environment may say otherwise of each (`ALTER DATABASE … SET`)."""

_NO_TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")

PIN = f"""
    SELECT set_config(name, pinned, true) FROM (VALUES
        {", ".join(f"('{name}', '{value}')" for name, value in [*RELIED_ON.items(), *((n, "0") for n in _NO_TIMEOUTS)])}
    ) pins (name, pinned) JOIN pg_settings USING (name)"""  # noqa: S608 (constants)
"""Sets for the transaction what the code relies on, and takes away what would end one that takes long, whatever the
database, the role or the URL says. Before PostgreSQL 17 there is no `transaction_timeout`. No pooled session keeps it.
"""


def connect(url: str, application_name: str, **more: Any) -> psycopg.Connection[Any]:
    """Connect as libpq reads the URL and, for what that leaves open, the environment. Raises psycopg.Error."""
    if "connect_timeout" not in conninfo_to_dict(url) and not os.environ.get("PGCONNECT_TIMEOUT"):
        more["connect_timeout"] = CONNECT_SECONDS
    return psycopg.connect(url, client_encoding="UTF8", application_name=application_name, **more)
