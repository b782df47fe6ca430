"""The database's schema revision against the one that this version of the code needs."""

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import to_tuple
from psycopg.errors import UndefinedTable
from sqlalchemy import column, select, table

from shared.persistence.database import Database
from shared.persistence.statements import Statement

ALEMBIC_INI = Path(__file__).parents[2] / "alembic.ini"

_CURRENT = Statement(select(column("version_num")).select_from(table("alembic_version")))


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(Config(ALEMBIC_INI))


async def missing_revisions(database: Database) -> set[str]:
    """The migrations that this version has and the database has not.

    A database may be ahead, because the next version's migrations ran before its rollout. It then names a revision that
    is unknown here, which comes after all that is known of its branch.
    """
    try:
        waiting: list[str] = [revision for (revision,) in await database.read(_CURRENT, {})]
    except UndefinedTable:  # No migration ever ran.
        waiting = []
    known = {script.revision: script for script in _scripts().walk_revisions("base", "heads")}
    applied: set[str] = set()
    while waiting:  # alembic_version names only the ends of branches, and no end that another branch depends on.
        revision = waiting.pop()
        if revision not in known:
            waiting += [other for other in known if _branch(other) == _branch(revision)]
        elif revision not in applied:
            applied.add(revision)
            waiting += [*to_tuple(known[revision].down_revision, ()), *to_tuple(known[revision].dependencies, ())]
    return known.keys() - applied


def _branch(revision: str) -> str:
    """`projects` of `projects_0003`, as `trellis revision` numbers them."""
    return revision.rpartition("_")[0]
