"""What `trellis doctor` looks at on this machine: the secret, files, disks, the proxy, the limits of the process."""

import math
import os
import resource
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from app.operating.findings import Check, Deployment, Finding, fine
from shared.settings import ADVICE, Settings, SettingsError, files_of

WEAK_BITS = 128
SPARE_FILES = 1000
"""Open files beside those of clients, as `serve` reserves them."""
FULL_BYTES = 256 << 20
"""With less room than this, PostgreSQL may stop soon."""
TIGHT_BYTES = 2 << 30
IMPORTS_AT_ONCE = 4
"""Files to import that TMPDIR should have room for."""
PRIVATE_FILES = ("secret", "postgres.password")


def secret(deployment: Deployment) -> Iterator[Finding]:
    """Whether there is a secret, and how hard it is to guess."""
    try:
        given = deployment.settings.with_secret().secret
    except SettingsError as error:
        yield Finding("error", "secret", str(error).removesuffix(ADVICE).strip(), f"{ADVICE}.")
        return
    secrets = {"secret": given, "previous secret": deployment.settings.secret_previous}
    found = {name: _entropy(one.get_secret_value()) for name, one in secrets.items() if one is not None}
    weak = {name: bits for name, bits in found.items() if bits < WEAK_BITS}
    for name, bits in weak.items():
        badly = f"The {name} looks as if it had {bits:.0f} bits of randomness: it repeats few characters."
        yield Finding("warning", "secret", badly, f"{ADVICE}.")
    if not weak:
        yield fine("secret", "The secret is there and looks random.")


def secret_files(_: Deployment) -> Iterator[Finding]:
    """Whether others can write what is read as a setting. Who may read them is the orchestrator's affair."""
    for variable in files_of(Settings):
        if (named := os.environ.get(variable)) and Path(named).stat().st_mode & 0o022:
            says = f"Others than its owner can write {named}, which {variable} names."
            yield Finding("error", "secret files", says, f"chmod go-w {named}")


def _entropy(text: str) -> float:
    """At most so many bits, by how often each character comes (Shannon)."""
    counts = Counter(text).values()
    return -sum(count * math.log2(count / len(text)) for count in counts)


def data_folder(deployment: Deployment) -> Iterator[Finding]:
    """Who can read the secrets in the data folder, and how much room it has."""
    folder = deployment.settings.data_dir
    if not folder.is_dir():
        if deployment.is_embedded:
            yield Finding("error", "data folder", f"There is no folder {folder}.", "TRELLIS_DATA_DIR names another.")
        return
    readable = [file for name in PRIVATE_FILES if (file := folder / name).exists() and file.stat().st_mode & 0o077]
    names = " ".join(map(str, readable))
    badly = f"Other users of this machine can read {' and '.join(map(str, readable))}."
    well = f"The secrets in {folder} are their owner's alone."
    if readable:
        yield Finding("error", "data folder", badly, f"chmod 600 {names}, then make new secrets.")
    else:
        yield fine("data folder", well)
    if deployment.is_embedded:
        yield _room(folder, "data folder", FULL_BYTES, TIGHT_BYTES, "Make room, or move it: TRELLIS_DATA_DIR.")


def temporary_folder(deployment: Deployment) -> Iterator[Finding]:
    """Whether files to import can wait in TMPDIR."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
            folder = Path(tempfile.gettempdir())
    except OSError as error:
        says = f"No file can be written there, so imports fail: {error.strerror or error}."
        yield Finding("error", "temporary folder", says, "TMPDIR names a folder that can be written to; mount one.")
        return
    if (wanted := os.environ.get("TMPDIR")) and folder != Path(wanted).absolute():
        says = f"TMPDIR is {wanted}, where no file can be written: {folder} is used."
        yield Finding("warning", "temporary folder", says, "Mount it, or name another.")
    largest = deployment.settings.max_import_bytes
    way_out = "Make room, name another folder in TMPDIR, or lower TRELLIS_MAX_IMPORT_BYTES."
    yield _room(folder, "temporary folder", largest, IMPORTS_AT_ONCE * largest, way_out)


def _room(folder: Path, subject: str, least: int, wanted: int, way_out: str) -> Finding:
    free = shutil.disk_usage(folder).free
    says = f"{folder} has {free >> 20:,} MiB free"
    if free >= wanted:
        return Finding("ok", subject, f"{says}.")
    return Finding("error" if free < least else "warning", subject, f"{says} of the {wanted >> 20:,} wanted.", way_out)


def proxy(deployment: Deployment) -> Iterator[Finding]:
    """Whose word is taken for a client's address, by which wrong passwords and requests are counted."""
    settings = deployment.settings
    way_out = "Set FORWARDED_ALLOW_IPS to the addresses or networks of your proxies, such as 10.0.0.0/8."
    if settings.proxies is not None:
        yield fine("proxy", f"{settings.forwarded_header} of {settings.proxies} is believed.")
    elif settings.environment == "production":
        badly = "No proxy is believed: behind one, all clients count as one address, and HSTS is not asked for."
        yield Finding("warning", "proxy", badly, way_out)
    else:
        yield fine("proxy", "No proxy is believed.")


def open_files(deployment: Deployment) -> Iterator[Finding]:
    """Whether the process may have as many connections as the settings allow."""
    wanted = deployment.settings.max_connections + SPARE_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_short = hard != resource.RLIM_INFINITY and hard < wanted
    way_out = f"Raise the limit to {wanted:,} (ulimit -n, LimitNOFILE=), or lower TRELLIS_MAX_CONNECTIONS."
    badly = f"A process may open {hard:,} files, which is less than its clients may need: {wanted:,}."
    if is_short:
        yield Finding("warning", "open files", badly, way_out)
    else:
        yield fine("open files", f"A process may open the {wanted:,} it may need.")


CHECKS: tuple[Check, ...] = (secret, secret_files, data_folder, temporary_folder, proxy, open_files)
"""In the order in which they are told."""
