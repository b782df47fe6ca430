"""Connections for commands, outside of the lanes: for migrations, seeding and checks of a database."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

NOT_DIRECT = (
    "DATABASE_URL leads to a pooler, which gives connections other settings than Trellis asks for. Have DATABASE_URL "
    "lead to PostgreSQL itself, and TRELLIS_POOLED_URL to the pooler"
)


class Misled(psycopg.OperationalError):
    """The URL leads to a server whose sessions are not what the code relies on. It will not mend itself."""


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

BLANK = "\\ "
"""A blank within a value of libpq's `options`."""

KEEPALIVE = {"keepalives_idle": 30, "tcp_user_timeout": 15_000}
"""Seconds and milliseconds: a server that was cut off is noticed earlier than by TCP's defaults."""

_NO_TIMEOUTS = dict.fromkeys(
    ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"), "0"
)

_PINS = {**RELIED_ON, **_NO_TIMEOUTS, "transaction_timeout": "0"}
PIN = f"""
    SELECT set_config(name, pinned, true) FROM (VALUES
    {", ".join(f"('{name}', '{value}')" for name, value in _PINS.items())}
    ) pins (name, pinned) JOIN pg_settings USING (name)"""  # noqa: S608 (constants)
"""Sets, for one transaction, the settings that the code relies on, and switches off all timeouts. It overrules the
database, the role and the URL. PostgreSQL before 17 has no `transaction_timeout`.
"""

PIN_SESSION = PIN.replace("pinned, true", "pinned, false")
"""The same for a session, outside of its transactions as well."""


def connect(url: str, application_name: str, **more: Any) -> psycopg.Connection[Any]:
    """Connect by the URL and, for what it does not say, libpq's environment variables. Raises psycopg.Error, also when
    a pooler is at the other end.
    """
    if "connect_timeout" not in conninfo_to_dict(url) and not os.environ.get("PGCONNECT_TIMEOUT"):
        more["connect_timeout"] = CONNECT_SECONDS
    more |= session(url, application_name)
    try:
        made = psycopg.connect(url, client_encoding="UTF8", **more)
    except psycopg.OperationalError as error:
        raise explained(error) from error
    if not has_options(made, application_name):
        made.close()
        raise Misled(NOT_DIRECT)
    return made


def session(url: str, name: str, settings: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """What a connection is asked for, so that its session has these settings and this name, by libpq's words.

    The name is one of the options, because PostgreSQL tells it back: who has it has all of them.
    """
    asked = {"application_name": name, **settings}
    options = [given_options(url), *(f"-c {key}={value.replace(' ', BLANK)}" for key, value in asked.items())]
    return {"application_name": "", "options": " ".join(options).strip()}


def lasting(url: str, name: str) -> dict[str, Any]:
    """The keywords of a connection that stays beside the lanes, such as one that is told of new jobs: what the database
    or the role has set neither ends it nor changes what it reads.
    """
    pinned = session(url, name, RELIED_ON | _NO_TIMEOUTS)
    return {**KEEPALIVE, "connect_timeout": CONNECT_SECONDS, "client_encoding": "UTF8", **pinned}


def has_options(connection: psycopg.BaseConnection[Any], name: str) -> bool:
    """Whether PostgreSQL has got the options. A pooler may have dropped them."""
    return connection.pgconn.parameter_status(b"application_name") == name.encode()


def given_options(url: str) -> str:
    """The options for the server in the URL or the environment, such as a search_path."""
    return str(conninfo_to_dict(url).get("options") or os.environ.get("PGOPTIONS", ""))


def explained(error: psycopg.OperationalError) -> psycopg.OperationalError:
    """What to do about a pooler that refuses options, or the error itself."""
    is_pooler = "unsupported startup parameter: options" in str(error)
    return Misled(NOT_DIRECT) if is_pooler else error
