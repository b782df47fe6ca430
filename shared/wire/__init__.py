"""The wire: statements on connections to PostgreSQL, and the transaction that a change is.

It compiles SQLAlchemy expressions once, sends them past psycopg's cursors, keeps connections at hand, waits for none
without a deadline, and turns what PostgreSQL refuses into domain errors. It knows no table, no caller and no HTTP.
"""

from shared.wire.connection import connector
from shared.wire.database import Database
from shared.wire.direct import PIN, PIN_SESSION, RELIED_ON, Misled, connect, lasting
from shared.wire.lane import Lane
from shared.wire.replicas import Sight, sight
from shared.wire.statements import Record, Run, Statement
from shared.wire.unit_of_work import UnitOfWork
from shared.wire.wire import Demand

__all__ = [
    "PIN",
    "PIN_SESSION",
    "RELIED_ON",
    "Database",
    "Demand",
    "Lane",
    "Misled",
    "Record",
    "Run",
    "Sight",
    "Statement",
    "UnitOfWork",
    "connect",
    "connector",
    "lasting",
    "sight",
]
