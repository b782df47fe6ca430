"""The wire: statements on connections to PostgreSQL, and the transaction that a change is.

It compiles SQLAlchemy expressions once, sends them past psycopg's cursors, keeps connections at hand, waits for none
without a deadline, and turns what PostgreSQL refuses into domain errors. It knows no table, no caller and no HTTP.
"""

from shared.wire.database import Database
from shared.wire.direct import PIN, RELIED_ON, connect
from shared.wire.statements import Record, Run, Statement
from shared.wire.unit_of_work import UnitOfWork
from shared.wire.wire import Demand

__all__ = ["PIN", "RELIED_ON", "Database", "Demand", "Record", "Run", "Statement", "UnitOfWork", "connect"]
