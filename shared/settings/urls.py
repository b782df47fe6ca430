"""URLs of a PostgreSQL, as libpq reads them."""

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict

URL_ADVICE = (
    "is no URL of a PostgreSQL, like postgresql://user:password@host:5432/database. Write a blank as %20; in a name or "
    "a password, write @ as %40, / as %2F, : as %3A and % as %25"
)


def is_url(url: str) -> bool:
    """Whether libpq reads it as it was meant. It would take the end of a password with a bare @ or / for a host, a port
    or a database, and show it in its error.
    """
    if not url.startswith("postgresql://") or re.match(r"\w+://[^/]*/[^?]*@", url):
        return False
    try:
        found = conninfo_to_dict(url)
    except (psycopg.ProgrammingError, UnicodeError):
        return False
    ports = str(found.get("port", "")).split(",")
    return "@" not in str(found.get("host")) and all(
        re.fullmatch(r"[0-9]{0,5}", port) and 0 < int(port or 5432) < 65_536 for port in ports
    )
