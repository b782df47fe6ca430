"""Migrations as the command line runs and writes them."""

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from shared.manifest import Module
from shared.persistence.schema import ALEMBIC_INI

VERSIONS = ALEMBIC_INI.parent / "migrations" / "versions"


def upgrade(database_url: str) -> None:
    """Bring a database to the newest revision of every branch."""
    config = Config(ALEMBIC_INI, attributes={"database_url": database_url})
    command.upgrade(config, "heads")


def write_revision(database_url: str, module: Module, message: str, versions: Path = VERSIONS) -> Path:
    """Write the next migration of a module's branch, from what its tables and the migrated database differ in.

    The first one starts the branch, and depends on the newest revisions of the kernel and of the modules it requires.
    """
    folder = versions / module.name
    folder.mkdir(exist_ok=True)
    config = Config(
        ALEMBIC_INI,
        cmd_opts=Namespace(x=[f"module={module.name}"]),
        attributes={"database_url": database_url},
    )
    # Alembic takes the path of a new file only from folders that it was told of one by one.
    config.set_main_option("recursive_version_locations", "false")
    config.set_main_option("version_locations", os.pathsep.join(map(str, sorted(versions.glob("*/")))))
    heads = _heads(config)
    if module.name in heads:
        branch: dict[str, Any] = {"head": heads[module.name]}
        number = int(heads[module.name].rpartition("_")[2]) + 1
    else:
        depends_on = [heads[label] for label in ("kernel", *module.requires)]
        branch = {"head": "base", "splice": True, "branch_label": module.name, "depends_on": depends_on}
        number = 1
    written = command.revision(
        config, message, autogenerate=True, version_path=folder, rev_id=f"{module.name}_{number:04}", **branch
    )
    assert written is not None
    assert not isinstance(written, list)
    return Path(written.path)


def _heads(config: Config) -> dict[str, str]:
    """The newest revision of each branch, by the branch's label."""
    revisions = ScriptDirectory.from_config(config).walk_revisions("base", "heads")
    newest: dict[str, str] = {}
    for script in revisions:
        for label in script.branch_labels:
            newest.setdefault(label, script.revision)
    return newest
