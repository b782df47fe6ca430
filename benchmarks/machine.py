"""What a run was made on, without names and paths."""

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.servers import PEERS, ROOT

_CPU = Path("/proc/cpuinfo")
_LOCKS = (ROOT / "requirements" / "runtime.txt", ROOT / "benchmarks" / "requirements.txt")
_TOLD = (
    "fastapi",
    "sqlmodel",
    "sqlalchemy",
    "litestar",
    "advanced-alchemy",
    "asyncpg",
    "psycopg",
    "uvicorn",
    "granian",
)
_TOLD_OF_NPM = ("fastify", "drizzle-orm", "pg", "elysia", "bun")


def description(postgres_version: str) -> dict[str, Any]:
    """The machine, and the versions of what counts."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_family(),
        "memory_gib": round(memory),
        "postgresql": postgres_version,
        "python": platform.python_version(),
        "node": _node_version(),
        "libraries": _libraries() | _packages(),
    }


def _cpu_family() -> str:
    found = re.search(r"^model name\s*: (.*)$", _CPU.read_text(), re.MULTILINE) if _CPU.exists() else None
    return found[1].strip() if found else platform.machine()


def _node_version() -> str | None:
    if shutil.which("node") is None:
        return None
    return subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip().lstrip("v")


def _libraries() -> dict[str, str]:
    locked = "\n".join(file.read_text() for file in _LOCKS)
    return {name: version[1] for name in _TOLD if (version := re.search(rf"^{name}==(\S+)", locked, re.MULTILINE))}


def _packages() -> dict[str, str]:
    """Of the peers in JavaScript: each names its packages with their versions."""
    manifests = [json.loads(file.read_text()) for file in sorted(PEERS.glob("*/package.json"))]
    versions = {name: version for one in manifests for name, version in one["dependencies"].items()}
    return {name: versions[name] for name in _TOLD_OF_NPM}
