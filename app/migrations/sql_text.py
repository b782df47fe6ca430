"""What a text of SQL does with tables, as far as its words tell."""

import re
from collections.abc import Collection, Sequence

_UNSAID = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Literals and comments, in which a name is no table's."""
_EXECUTED = re.compile(
    r"'\s*(?:insert\s+into|delete\s+from|update\s+\S+\s+set|alter\s+table|drop\s+table|truncate|select\s.*\sfrom)\s",
    re.IGNORECASE | re.DOTALL,
)
"""A literal that is SQL itself, as a function executes it."""
_LASTING = re.compile(
    r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b"
    r"|\bcreate\s+(or\s+replace\s+)?(\w+\s+)?(view|function|procedure|rule|trigger|policy)\b",
    re.IGNORECASE,
)
"""Locks on the rows that are read, and what goes on reading them after the migration."""
_SOURCES = frozenset({"from", "join", "using", "references"})
_PLACES = _SOURCES | {"analyze", "copy", "into", "lock", "on", "table", "truncate", "update", "vacuum", "view"}
"""After these, a table is named, or a list of them."""
_BETWEEN = frozenset({"concurrently", "full", "lateral", "only", "verbose"})
"""What may stand between."""
_END = re.compile(
    r"alter|analyze|and|by|case|comment|copy|delete|drop|else|exists|grant|group|having|in|index|insert|into|is|like|limit"
    r"|lock|merge|not|offset|on|or|order|rename|returning|select|set|table|then|to|trigger|truncate|union|update|values"
    r"|when|where|with|;"
)
"""A word at which a list of sources does not go on."""


def tables_named(sql: str, tables: Collection[str]) -> set[str]:
    """Which of these tables a text of SQL names: where one may stand, or before a column of it; not in its literals."""
    words = _words(sql)
    named = {word for n, word in enumerate(words) if word in tables and _follows(words[:n], _PLACES)}
    return named | {word.partition(".")[0] for word in words if "." in word} & {*tables}


def tables_read(sql: str, tables: Collection[str]) -> set[str]:
    """Which of these tables it names only as where rows come from, or as what a foreign key refers to."""
    if _LASTING.search(_said(sql)):
        return set()
    words = _words(sql)
    places = [n for n, word in enumerate(words) if word in tables]
    changed = {words[n] for n in places if not _follows(words[:n], _SOURCES)}
    return {words[n] for n in places} - changed


def _said(sql: str) -> str:
    return re.sub(r"\bpublic\s*\.\s*", "", _UNSAID.sub(_without, sql).replace('"', ""))


def _without(unsaid: re.Match[str]) -> str:
    return unsaid[0][1:-1] if _EXECUTED.match(unsaid[0]) else "''"


def _words(sql: str) -> list[str]:
    said = re.sub(r"\bif\s+(not\s+)?exists\b", "", _said(sql).lower())
    return re.findall(r"\w+(?:\.\w+)*|[^\w\s]", said)


def _follows(before: Sequence[str], leading: Collection[str]) -> bool:
    """Whether one of these words leads to what comes next: `FROM`, and `FROM others,`. To read, not `DELETE FROM`."""
    while before and before[-1] in _BETWEEN:
        before = before[:-1]
    depth = 0
    for n, word in reversed([*enumerate(before)]):
        depth += (word == ")") - (word == "(")
        if depth < 0:
            return False
        if depth == 0 and word in leading:
            return leading is not _SOURCES or before[n - 1 : n] != ["delete"]
        if (depth == 0 and _END.fullmatch(word)) or (n == len(before) - 1 and word != ","):
            return False
    return False
