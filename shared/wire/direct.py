"""Connections for commands, outside of the lanes: for migrations, seeding and checks of a database."""

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
"""The settings that the code relies on. A database, a role or the environment may have set others."""

_NO_TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")

PIN = f"""
    SELECT set_config(name, pinned, true) FROM (VALUES
        {", ".join(f"('{name}', '{value}')" for name, value in [*RELIED_ON.items(), *((n, "0") for n in _NO_TIMEOUTS)])}
    ) pins (name, pinned) JOIN pg_settings USING (name)"""  # noqa: S608 (constants)
"""Sets, for one transaction, the settings that the code relies on, and switches off all timeouts. It overrules the
database, the role and the URL. PostgreSQL before 17 has no `transaction_timeout`. A pooled session keeps none of it.
"""


def connect(url: str, application_name: str, **more: Any) -> psycopg.Connection[Any]:
    """Connect by the URL and, for what it does not say, libpq's environment variables. Raises psycopg.Error."""
    if "connect_timeout" not in conninfo_to_dict(url) and not os.environ.get("PGCONNECT_TIMEOUT"):
        more["connect_timeout"] = CONNECT_SECONDS
    return psycopg.connect(url, client_encoding="UTF8", application_name=application_name, **more)
