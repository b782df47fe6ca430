"""`trellis revision`: writes a module's next migrations."""

import logging
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.config import Config
from alembic.operations import MigrateOperation
from alembic.operations.ops import CreateForeignKeyOp, CreateTableOp
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.migrations.answers import Answers
from app.migrations.branches import VERSIONS, Revision, ancestors, faults, heads, revisions
from app.migrations.drafting import context_on, draft
from app.migrations.environment import engine
from app.migrations.errors import MigrationError
from app.migrations.leaving import told_of_unknown
from app.migrations.operations import Sql, flat, remarks_on, undone
from app.migrations.sql_text import tables_read
from app.migrations.stages import Stages
from shared.manifest import Module
from shared.rows import owners
from shared.upkeep import ALEMBIC_INI, standing_of
from shared.wire import connect

_MADE = re.compile(r"""op\.create_table\(\s*['"](\w+)|RENAME TO (\w+)""")

log = logging.getLogger("trellis")


def write_revision(
    database_url: str, module: Module, message: str, answers: Answers | None = None, versions: Path = VERSIONS
) -> list[Path]:
    """Write the next migrations of a module's branch; several where a column that has to have a value is added.

    The first of the branch depends on the newest revisions of the kernel and of the modules it requires; a later one
    on those that it needs beyond. What locks a table for long is said above the operation, and logged. Raises
    MigrationError, psycopg.Error.
    """
    for fault in faults(versions):
        raise MigrationError(fault)
    with connect(database_url, "trellis revision", autocommit=True) as connection:
        schema = standing_of(connection)
    if schema.ahead:
        raise MigrationError(told_of_unknown(schema.ahead))
    if schema.lacks:
        raise MigrationError("The database is not at the newest revisions of this checkout. First: trellis migrate")
    made = {name for revision in revisions(versions) if revision.module == module.name for name in makes(revision)}

    def is_its_own(table: str) -> bool:
        return owners().get(table, module.name if table in made else None) == module.name

    with engine(database_url).connect() as connected:
        stages = draft(connected, is_its_own, answers or Answers())
        paths = write(connected, module, parts(message, stages), versions)
        connected.rollback()
    return paths


def parts(message: str, stages: Stages) -> dict[str, list[MigrateOperation]]:
    """The operations of each revision, by its message. Where nothing differs, one that is for the team to fill."""
    ends = ("", ": new rows have to have it", ": every row has it")
    written = dict(zip(ends, (stages.expand, stages.demand, stages.contract), strict=True))
    return {message + end: part for end, part in written.items() if part} or {message: []}


def write(
    connection: Connection, module: Module, parts: Mapping[str, Sequence[MigrateOperation]], versions: Path = VERSIONS
) -> list[Path]:
    """Write a revision for each message, each after the one before."""
    folder = versions / module.name
    folder.mkdir(exist_ok=True)
    config = Config(ALEMBIC_INI)
    # For a new file, Alembic needs each folder by name.
    config.set_main_option("recursive_version_locations", "false")
    config.set_main_option("version_locations", os.pathsep.join(map(str, sorted(versions.glob("*/")))))
    scripts = ScriptDirectory.from_config(config)
    paths = []
    for message, operations in parts.items():
        found = revisions(versions)
        before = heads(found).get(module.name)
        number = int(before.rpartition("_")[2]) + 1 if before else 1
        up, down, imports = _rendered(connection, operations)
        with redirect_stdout(StringIO()):  # Alembic tells of each step.
            script = scripts.generate_revision(
                f"{module.name}_{number:04}",
                message,
                head=before or "base",
                splice=before is None,
                branch_labels=None if before else module.name,
                version_path=folder,
                depends_on=_needed(module, operations, found, before),
                upgrades=up,
                downgrades=down,
                imports=imports,
            )
        assert script is not None
        paths.append(Path(script.path))
        for remark in dict.fromkeys(remark for operation in flat(operations) for remark in remarks_on(operation)):
            log.warning("%s: %s", paths[-1].name, remark)
    return paths


def makes(revision: Revision) -> set[str]:
    """The tables that a revision creates, or gives their name."""
    return {name for names in _MADE.findall(revision.source) for name in names if name}


def _needed(
    module: Module, operations: Sequence[MigrateOperation], found: Sequence[Revision], before: str | None
) -> list[str]:
    """The newest revisions of other branches that it needs and that its branch does not depend on yet."""
    newest = heads(found)
    if before is None:
        return _without_implied([newest[label] for label in ("kernel", *module.requires) if label in newest], found)
    ids = ancestors([before], found)
    there = [revision for revision in found if revision.id in ids]
    named = {id for revision in there if revision.module == module.name for id in revision.depends_on}
    own = {revision.module for revision in found if revision.id in named}
    tables = {table for revision in there for table in makes(revision)}
    needed = set(module.requires) - {revision.module for revision in there}
    for operation in flat(operations):
        # What is there only because a neighbour needs it may be gone from that one's links some day.
        referred = {table for table in _referred_to(operation) if table not in tables or owners()[table] not in own}
        # Whoever wrote the SQL has seen the tables as they are now.
        needed |= {owners()[table] for table in referred | _read_by(operation)} - {module.name}
        if isinstance(operation, Sql) and any("trellis_" in statement for statement in operation.up):
            needed.add("kernel")
    labels = [label for label in ("kernel", *module.requires) if label in needed]
    return _without_implied([newest[label] for label in labels if label not in own or newest[label] not in ids], found)


def _without_implied(ids: Sequence[str], found: Sequence[Revision]) -> list[str]:
    """Those that no other one of them needs: Alembic's table has no row of one that is needed, and Alembic would look
    for it.
    """
    return [id for id in ids if not any(id in ancestors([other], found) for other in ids if other != id)]


def _referred_to(operation: MigrateOperation) -> Iterator[str]:
    """The tables that its foreign keys refer to."""
    match operation:
        case CreateForeignKeyOp(referent_table=table):
            yield table
        case CreateTableOp():
            yield from (key.target_fullname.partition(".")[0] for key in operation.to_table().foreign_keys)


def _read_by(operation: MigrateOperation) -> set[str]:
    """The tables whose rows its SQL reads."""
    statements = operation.up if isinstance(operation, Sql) else ()
    return {table for statement in statements for table in tables_read(statement, owners().keys())}


def _rendered(connection: Connection, operations: Sequence[MigrateOperation]) -> tuple[str, str, str]:
    """The ways up and down in Python, and what they import beside what each migration does."""
    context = AutogenContext(context_on(connection))
    up, down = _lines(context, operations), _lines(context, undone(operations))
    return up, down, "\n".join(sorted(context.imports))


def _lines(context: AutogenContext, operations: Iterable[MigrateOperation]) -> str:
    lines: list[str] = []
    for operation in flat(operations):
        for remark in remarks_on(operation):
            lines += textwrap.wrap(remark, 110, initial_indent="# ", subsequent_indent="# ")
        rendered = renderers.dispatch(operation)(context, operation)
        lines += [rendered] if isinstance(rendered, str) else rendered
    return "\n".join(lines).replace("\n", "\n    ")
