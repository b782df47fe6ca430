"""The processor time of processes, as /proc tells it, in seconds."""

import os
from contextlib import suppress
from pathlib import Path

import psycopg

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


def family_seconds(pid: int) -> float:
    """What a process and its children have used so far, those that have ended among them; 0 when it is gone."""
    ticks = 0
    for stat in _PROC.glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # It has ended meanwhile.
            fields = stat.read_text().rpartition(")")[2].split()
            if int(stat.parent.name) == pid:
                ticks += sum(map(int, fields[11:15]))  # utime, stime, and the same of children that ended
            elif int(fields[1]) == pid:
                ticks += sum(map(int, fields[11:13]))
    return ticks / _TICKS


def machine_seconds() -> float:
    """What has been used so far on the whole machine, all cores together."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, (_PROC / "stat").read_text().split(maxsplit=8)[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def postmaster(database_url: str) -> int | None:
    """The process whose children serve the connections of this PostgreSQL; None when it is not on this machine."""
    with psycopg.connect(database_url) as connection:
        backend = _PROC / str(connection.info.backend_pid)
        with suppress(FileNotFoundError):
            if (backend / "comm").read_text().strip() == "postgres":
                return int((backend / "stat").read_text().rpartition(")")[2].split()[1])
    return None
