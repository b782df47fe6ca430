"""What PostgreSQL refuses, and its absence, as domain errors: the one place where driver errors are read."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import psycopg
from sqlalchemy import exc

from shared.errors import Conflict, Contended, DomainError, Invalid, Unavailable

log = logging.getLogger("trellis")

_Meaning = Callable[[], DomainError]

_OF_STATE: Mapping[str, _Meaning] = {
    "23505": Conflict,  # unique_violation
    "23503": Conflict,  # foreign_key_violation
    "23514": Invalid,  # check_violation
    "57014": partial(Unavailable, "The database took too long to answer."),  # query_canceled, by the timeout
    "25006": partial(Unavailable, "The database takes no changes just now."),  # read_only_sql_transaction
    "53100": partial(Unavailable, "The database has no room just now."),  # disk_full
    "55P03": Contended,  # lock_not_available
}
"""What an SQLSTATE means where no constraint of ours is named."""

_OF_CLASS: Mapping[str, _Meaning] = {
    "08": partial(Unavailable, "The connection to the database was lost."),
    "22": partial(Invalid, "A value is outside of what the database can hold."),
    "25": partial(Unavailable, "The database has ended the transaction."),  # idle_in_transaction_session_timeout
    "40": Contended,  # serialization_failure, deadlock_detected
    "53": partial(Unavailable, "The database is at its limits just now."),  # too_many_connections, out_of_memory
    "54": partial(Invalid, "The request is too complex for the database."),  # program_limit_exceeded
    "57": partial(Unavailable, "The database is restarting or has ended the connection."),  # admin_shutdown
    "58": partial(Unavailable, "The database has trouble with its system."),  # io_error
}
"""What any other of its class means. The server sends these by itself, whatever the statement."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises what the database refused as a domain error."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _domain_error(error.orig) or error from error
    except exc.TimeoutError as error:
        raise Unavailable("Every connection to the database is in use.") from error
    except psycopg.Error as error:
        raise _domain_error(error) or error from error


def _domain_error(error: BaseException | None) -> DomainError | None:
    """None for what is a fault of ours."""
    if not isinstance(error, psycopg.Error):
        return None
    if error.diag.constraint_name in DomainError.by_constraint:
        return DomainError.by_constraint[error.diag.constraint_name]()
    state = error.sqlstate or ""
    # On one line, and not the whole message: its DETAIL quotes the row.
    said = " ".join((error.diag.message_primary or str(error)).split())
    log.warning("The database refused a statement: %s %s", state or "-", said)
    if (meaning := _OF_STATE.get(state) or _OF_CLASS.get(state[:2])) is not None:
        return meaning()
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or (not state and _is_of_the_wire(error)):
        return Unavailable("The database cannot be reached.")
    if isinstance(error, psycopg.DataError):
        return Invalid("A value is outside of what the database can hold.")
    return None


def _is_of_the_wire(error: psycopg.Error) -> bool:
    """Without an SQLSTATE it is not PostgreSQL that speaks, but libpq and psycopg of what they received."""
    return type(error) in {psycopg.DatabaseError, psycopg.InternalError}
