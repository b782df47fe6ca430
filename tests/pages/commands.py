"""Runs the commands of a page of the guide as a reader would, and compares what they print with what the page says."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests.patience import PATIENCE

_BLOCK = re.compile(r"^```(bash|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STATUSES = re.compile(r"  # ([1-5]\d\d(?: [1-5]\d\d)*)$", re.MULTILINE)
_END = "the end of block"
_CURL = """#!/bin/sh
# curl, which also notes with what status it is answered.
heads=$(mktemp)
{curl} -D "$heads" "$@"
result=$?
sed -n 's,^HTTP/[0-9.]* \\([0-9]*\\).*,\\1,p' "$heads" | tail -n 1 >> {noted}
rm "$heads"
exit $result
"""


class Run(NamedTuple):
    """What came of the commands."""

    statuses: list[str]
    """Of all requests, in their order."""
    printed: list[str]
    """By each block of commands, its last line."""


def blocks_in(text: str) -> list[tuple[str, str]]:
    """The language and the text of each block of commands or JSON."""
    return _BLOCK.findall(text)


def statuses_said(text: str) -> list[str]:
    """Those beside the commands of a page."""
    commands = [block for language, block in blocks_in(text) if language == "bash"]
    return [status for block in commands for said in _STATUSES.findall(block) for status in said.split()]


def shown(text: str) -> dict[int, Any]:
    """The JSON that a page shows, by the number of the block of commands that it stands after."""
    found, number = {}, -1
    for language, block in blocks_in(text):
        if language == "bash":
            number += 1
        else:
            found[number] = json.loads(block)
    return found


def run(text: str, folder: Path) -> Run:
    """Run all commands of a text in one shell, which ends at the first that fails."""
    noted, curl = folder / "statuses", folder / "curl"
    noted.touch()
    curl.write_text(_CURL.format(curl=shutil.which("curl"), noted=noted))
    curl.chmod(0o755)
    commands = [block for language, block in blocks_in(text) if language == "bash"]
    script = "\n".join(["set -eu", f"PATH={folder}:$PATH", *(f"{block}\necho; echo '{_END}'" for block in commands)])
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = [part.strip().rpartition("\n")[2] for part in done.stdout.split(_END)]
    return Run(noted.read_text().split(), printed[: len(commands)])


def fits(said: Any, given: Any) -> bool:
    """Whether JSON is as it is shown, where an ellipsis stands for any text."""
    match said, given:
        case dict(), dict():
            return said.keys() == given.keys() and all(fits(said[name], given[name]) for name in said)
        case list(), list():
            return len(said) == len(given) and all(map(fits, said, given))
        case str(), str():
            return re.fullmatch(re.escape(said).replace("…", ".*"), given) is not None
    return bool(said == given) and type(said) is type(given)
