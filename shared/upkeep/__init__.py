"""Upkeep: what the operator's commands do with a database.

The purge, the making of data sets, the look at the schema, and the way of a module's own commands. Nothing here
answers a request.
"""

from shared.upkeep.commands import in_unit_of_work
from shared.upkeep.purge import Purge
from shared.upkeep.schema import ALEMBIC_INI, SchemaOutdated, Standing, standing, standing_of
from shared.upkeep.seeding import DataSet, Ids, Seeding, SeedingError, SeedRow, time_of, words

__all__ = [
    "ALEMBIC_INI",
    "DataSet",
    "Ids",
    "Purge",
    "SchemaOutdated",
    "SeedRow",
    "Seeding",
    "SeedingError",
    "Standing",
    "in_unit_of_work",
    "standing",
    "standing_of",
    "time_of",
    "words",
]
