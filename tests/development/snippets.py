"""The snippets of a guide, written into the files that they name, as a reader does."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

BLOCKS = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.py)\n")


def blocks_of(page: str) -> list[tuple[str, str]]:
    """The language and the text of each snippet."""
    return BLOCKS.findall(page)


def write_into(tree: Path, snippet: str) -> None:
    """Write Python into the file that its first line names: imports to the others, members to their class, and in the
    place of what has the same name. What is new stands before what follows it in the snippet, or at the end.
    """
    match = _FILE.match(snippet)
    assert match, f"Which file is it of?\n{snippet}"
    path = tree / match[1]
    text = path.read_text() if path.exists() else ""
    path.write_text(merged(text, snippet[match.end() :]))


def merged(text: str, snippet: str) -> str:
    """The text of a file with a snippet in it."""
    if not text.strip():
        return snippet
    lines, place, found = text.splitlines(keepends=True), 0, ""
    edits = _edits(ast.parse(text).body, ast.parse(snippet).body, snippet.splitlines(keepends=True), len(lines))
    for start, end, source in sorted(edits, key=lambda edit: edit[0]):
        found += "".join(lines[place:start]) + source
        place = end
    return found + "".join(lines[place:])


def _edits(
    there: Sequence[ast.stmt], new: Sequence[ast.stmt], lines: Sequence[str], end: int
) -> Iterator[tuple[int, int, str]]:
    """What takes the place of which lines, from the first to before the second."""
    before, waiting = _start(new[0]) - 1, ""
    first = next((node.lineno - 1 for node in there if isinstance(node, ast.Import | ast.ImportFrom)), 0)
    for node in new:
        last = node.end_lineno or 0
        source, before = "".join(lines[before:last]), last
        old = next((one for one in there if _name(node) and _name(one) == _name(node)), None)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield first, first, source
        elif old is None:
            waiting += source
        else:
            start = _start(old) - 1
            yield start, start, f"{waiting}\n\n" if waiting else ""
            waiting = ""
            if isinstance(old, ast.ClassDef) and isinstance(node, ast.ClassDef):
                yield from _edits(old.body, node.body, lines, old.end_lineno or 0)
            else:
                yield start, old.end_lineno or 0, source.lstrip("\n")
    if waiting:
        yield end, end, f"\n\n{waiting}"


def _name(node: ast.stmt) -> str | None:
    """What a statement gives a name to; of a docstring, that it is one."""
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.Expr(value=ast.Constant(value=str())):
            return "__doc__"
    return None


def _start(node: ast.stmt) -> int:
    """Its first line, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])
