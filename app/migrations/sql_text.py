"""What a text of SQL does with tables, as far as its words tell."""

import re
from collections.abc import Collection, Sequence

_UNSAID = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Literals and comments, in which a name is no table's."""
_LASTING = re.compile(
    r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b"
    r"|\bcreate\s+(or\s+replace\s+)?(\w+\s+)?(view|function|procedure|rule|trigger|policy)\b",
    re.IGNORECASE,
)
"""Locks on the rows that are read, and what goes on reading them after the migration."""
_SOURCES = frozenset({"from", "join", "using", "references"})
_END = re.compile(
    r"alter|analyze|and|by|case|comment|copy|delete|drop|else|exists|grant|group|having|in|index|insert|into|is|like|limit"
    r"|lock|merge|not|offset|on|or|order|rename|returning|select|set|table|then|to|trigger|truncate|union|update|values"
    r"|when|where|with|;"
)
"""A word at which a list of sources does not go on."""


def tables_named(sql: str, tables: Collection[str]) -> set[str]:
    """Which of these tables a text of SQL names, outside of its literals."""
    words = re.findall(r"(?<![\w.:])\w+", _said(sql))
    return {word for word in words if word in tables} | {word.lower() for word in words if word.lower() in tables}


def tables_read(sql: str, tables: Collection[str]) -> set[str]:
    """Which of these tables it names only as where rows come from, or as what a foreign key refers to."""
    said = _said(sql)
    if _LASTING.search(said):
        return set()
    words = re.findall(r"[\w.]+|[^\w\s\"]", said.lower())
    places = [n for n, word in enumerate(words) if word in tables]
    changed = {words[n] for n in places if not _is_source(words[:n])}
    return {words[n] for n in places} - changed


def _said(sql: str) -> str:
    return re.sub(r"\bpublic\s*\.\s*", "", _UNSAID.sub("''", sql).replace('"', ""))


def _is_source(before: Sequence[str]) -> bool:
    """Whether these words lead to a table whose rows are read: `FROM`, and `FROM others,`."""
    depth = 0
    for n, word in reversed([*enumerate(before)]):
        depth += (word == ")") - (word == "(")
        if depth < 0:
            return False
        if depth == 0 and word in _SOURCES:
            return before[n - 1 : n] != ["delete"]
        if depth == 0 and _END.fullmatch(word):
            return False
        if n == len(before) - 1 and word not in {",", "only", "lateral"}:
            return False
    return False
