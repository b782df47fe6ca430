"""Errors that stop a command, as sentences for an operator."""

import psycopg
from sqlalchemy.exc import DBAPIError

from shared.errors import Contended, DomainError, Unavailable
from shared.wire import Misled

MIGRATE = "The database has not the schema that this version needs. First: trellis migrate"


PASSING = {"08", "40", "53", "57"}
"""Classes of SQLSTATE: connections, conflicts of transactions, resources, and an operator's intervention."""


def told(error: BaseException) -> str:
    """A sentence, and the error's notes, without PostgreSQL's DETAIL, which quotes the row."""
    return " ".join([_sentence(_driver_error(error)), *getattr(error, "__notes__", ())])


def is_passing(error: BaseException) -> bool:
    """Whether the same may succeed later: the database is out of reach, or busy with what others do."""
    match _driver_error(error):
        case Misled():
            return False
        case psycopg.OperationalError(sqlstate=None) | psycopg.errors.LockNotAvailable():
            return True
        case psycopg.Error(sqlstate=str(state)):
            return state[:2] in PASSING
    return isinstance(error, Contended | Unavailable)


def _driver_error(error: BaseException) -> BaseException:
    """What the database or libpq said, where that is behind the error."""
    match error:
        case DomainError(__cause__=psycopg.Error() | DBAPIError() as cause):
            return _driver_error(cause)
        case DBAPIError(orig=psycopg.Error() as cause):
            return cause
    return error


def _sentence(error: BaseException) -> str:
    match error:
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn():
            return MIGRATE
        case psycopg.Error(sqlstate=str()):
            return f"PostgreSQL says: {error.diag.message_primary}."
        case psycopg.Error():  # libpq's own, which says why there is no connection.
            said = " ".join(str(error).split())
            return f"The database cannot be reached: {said}{'' if said.endswith(('.', '?')) else '.'}"
        case OSError(strerror=str(reason), filename=file):
            return f"{file}: {reason}." if file else f"{reason}."
    return str(error)
