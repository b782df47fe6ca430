"""Schemas in a reader's words: `string, at most 50 characters`, with links to those that have a name."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.openapi.alternatives import Alternative, Json, Schema, alternatives, of_the_whole

RANGES = {
    ("minLength", "maxLength"): " characters",
    ("minItems", "maxItems"): " of them",
    ("minimum", "maximum"): "",
    ("exclusiveMinimum", "exclusiveMaximum"): ", both exclusive",
}
SHORT = 8
"""So many values of an enumeration are told where it is used; else a link leads to them."""


def told(document: Json, schema: Schema) -> str:
    """The type of a parameter or field, with its default."""
    found = alternatives(document, schema)
    words = " or ".join(dict.fromkeys(_alternative(document, each) for each in found)) or "nothing"
    default = of_the_whole(document, schema, "default")
    return words if default in (None, []) else f"{words}; default {code(default)}"


def code(value: object) -> str:
    """A value as JSON, in a span of code; of text without its quotes."""
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def link(name: str) -> str:
    """To a schema's heading."""
    return f"[{name}](#schema-{name.lower()})"


def sentences(*texts: Any) -> str:
    """Texts on one line, each ending as a sentence does, none of them twice."""
    lines = dict.fromkeys(" ".join(str(text).split()).rstrip(".") for text in texts if text)
    kept = [line for line in lines if not any(line != other and line in other for other in lines)]
    return " ".join(line if line.endswith((".", ":", "!", "?")) else f"{line}." for line in kept)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of Markdown, without the columns in which nothing stands; empty without rows."""
    kept = [index for index in range(len(head)) if any(row[index] for row in rows)]
    lines = [[head[index] for index in kept], ["---"] * len(kept)]
    lines += [[row[index].replace("|", "\\|") for index in kept] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def _alternative(document: Json, each: Alternative) -> str:
    if each.values is not None and (each.name is None or len(each.values) <= SHORT):
        return ", ".join(code(json.loads(value.json)) for value in sorted(each.values))
    if each.name is not None:
        return link(each.name)
    keywords = each.keywords
    words = keywords.get("format") or each.kind
    if each.kind == "array":
        words = f"list of {told(document, keywords.get('items', True))}"
    elif each.kind == "object" and isinstance(keywords.get("additionalProperties"), dict):
        words = f"object of {told(document, keywords['additionalProperties'])}"
    pattern = [f"like {code(keywords['pattern'])}"] if "pattern" in keywords else []
    return ", ".join([words, *_ranges(keywords), *pattern])


def _ranges(keywords: Json) -> Iterator[str]:
    for (lower, upper), unit in RANGES.items():
        least, most = keywords.get(lower), keywords.get(upper)
        if least is not None and most is not None:
            yield f"{least} to {most}{unit}"
        elif least is not None or most is not None:
            yield f"at least {least}{unit}" if most is None else f"at most {most}{unit}"
