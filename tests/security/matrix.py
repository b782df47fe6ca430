"""The authorisation matrix: what each operation answers to each kind of caller. `matrix.txt` states it, beside this
file for the kernel's operations, and among a module's tests for its own.

`python -m tests.security.matrix` prints it as Markdown, `--write` puts it into docs/SECURITY.md.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = ROOT / "tests/security/matrix.txt"
"""Has the columns, too."""
DOCUMENT, BEGIN, END = ROOT / "docs/SECURITY.md", "<!-- the matrix -->", "<!-- until here -->"

WORDS = {
    "ok": "It is done.",
    "shows": "It is done, and the answer shows the row.",
    "none": "It is done, and the answer shows nothing of the row, nor of other people.",
    "heard": "The caller is let in, and the input refused: the example has a code or a token that is made up.",
    "401": "Who calls is not known.",
    "403": "The caller sees the row, or the kind of it, and may not do that.",
    "404": "To the caller the row is like one that never was.",
}
"""What a cell says."""

Row = dict[str, str]
"""The words of the cells, by column."""


def rows() -> dict[str, Row]:
    """By operation, as `GET /projects/{project_id}`. Raises ValueError for a line that does not fit the columns."""
    head, *lines = _lines(OWN)
    columns = head.split()
    found: dict[str, Row] = {}
    for line in [line for file in sorted(ROOT.glob("modules/*/tests/matrix.txt")) for line in _lines(file)] + lines:
        method, path, *cells = line.split()
        if len(cells) != len(columns) or not {*cells} <= WORDS.keys():
            raise ValueError(
                f"matrix.txt: {method} {path} has to have {len(columns)} cells, each of them one of {', '.join(WORDS)}."
            )
        found[f"{method} {path}"] = dict(zip(columns, cells, strict=True))
    return found


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.strip() and not line.startswith("#")]


def line_of(operation: str, row: Row) -> str:
    """The line of an operation in matrix.txt."""
    method, path = operation.split()
    cells = " ".join(word.ljust(max(5, len(column))) for column, word in row.items())
    return f"{method:6} {path:54} {cells}".rstrip()


def as_markdown() -> str:
    """The matrix as a table, and what its words mean."""
    found = rows()
    columns = [*next(iter(found.values()))]
    lines = [f"| operation | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [f"| `{operation}` | {' | '.join(row.values())} |" for operation, row in found.items()]
    return "\n".join([*lines, "", *(f"- `{word}`: {meaning}" for word, meaning in WORDS.items())])


def documented(text: str) -> str:
    """A text of docs/SECURITY.md, with the matrix of now."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{as_markdown()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(documented(DOCUMENT.read_text()))
    else:
        sys.stdout.write(f"{as_markdown()}\n")
