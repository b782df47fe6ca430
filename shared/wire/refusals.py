"""Driver errors become domain errors here, and only here."""

import logging
from collections.abc import Callable, Mapping
from functools import partial

import psycopg
from sqlalchemy import exc

from shared.errors import Conflict, Contended, DomainError, Invalid, Unavailable
from shared.observing import current_activity

log = logging.getLogger("trellis")

_Meaning = Callable[[], DomainError]

_OF_STATE: Mapping[str, _Meaning] = {
    "23505": Conflict,  # unique_violation
    "23503": Conflict,  # foreign_key_violation
    "23514": Invalid,  # check_violation
    "57014": partial(Unavailable, "The database took too long to answer."),  # query_canceled, by the timeout
    "25006": partial(Unavailable, "The database takes no changes just now."),  # read_only_sql_transaction
    "53100": partial(Unavailable, "The database has no room just now."),  # disk_full
    "55P03": partial(Unavailable, "Another change holds what this one needs."),  # lock_not_available, by the timeout
}
"""The meaning of an SQLSTATE when the error names no constraint of ours."""

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
"""The meaning of all other states of a class. The server sends these whatever the statement."""


class translated:  # noqa: N801 (it reads as a phrase: `with translated():`)
    """Turns the database's errors into domain errors. A class, which costs less than a generator."""

    def __enter__(self) -> None:
        """Nothing yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, psycopg.Error | exc.DBAPIError):
            found = _domain_error(error.orig if isinstance(error, exc.DBAPIError) else error)
            if found is not None:
                raise found from error


def _domain_error(error: BaseException | None) -> DomainError | None:
    """The domain error; None for a fault of ours."""
    if not isinstance(error, psycopg.Error):
        return None
    if error.diag.constraint_name in DomainError.by_constraint:
        return DomainError.by_constraint[error.diag.constraint_name]()
    state = error.sqlstate or ""
    # One line, without DETAIL, which quotes the row.
    said = " ".join((error.diag.message_primary or str(error)).split())
    current_activity.get().sqlstates += (state or "-",)
    log.warning("The database refused a statement: %s %s", state or "-", said)
    meaning = Contended if is_of_a_stale_plan(error) else _OF_STATE.get(state) or _OF_CLASS.get(state[:2])
    if meaning is not None:
        return meaning()
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or (not state and _is_of_the_wire(error)):
        return Unavailable("The database cannot be reached.")
    if isinstance(error, psycopg.DataError):
        return Invalid("A value is outside of what the database can hold.")
    return None


def is_of_a_stale_plan(error: psycopg.Error) -> bool:
    """Whether a statement was prepared before a migration changed a column's type. PostgreSQL prepares none anew whose
    rows would change, but a new connection does.
    """
    return error.diag.source_function == "RevalidateCachedQuery"


def _is_of_the_wire(error: psycopg.Error) -> bool:
    """Whether libpq or psycopg failed on what they received: an error of PostgreSQL has an SQLSTATE."""
    return type(error) in {psycopg.DatabaseError, psycopg.InternalError}
