"""docs/api.md, written from the OpenAPI document: for readers without a browser."""

from collections.abc import Iterator
from functools import cached_property, reduce

from tests.openapi.alternatives import Json, Schema, alternatives
from tests.openapi.examples import curl
from tests.openapi.exchanges import problems
from tests.openapi.operations import Operation, operations, reachable, resolved
from tests.openapi.prose import code, sentences, table, told

HEAD = """# The API

`make openapi` writes this page from [the OpenAPI document](openapi.json), which a server gives at `/openapi.json`. In
the examples, `$URL` is the server, as in `http://127.0.0.1:8000`, and `$TOKEN` an access token."""
EVERY = "Every operation can answer these problems; they are not repeated below."

Codes = dict[str, dict[str, str]]
"""By status, the problems' codes with what they mean."""


def api_md(document: Json) -> str:
    """The whole page."""
    return "\n\n".join(part for part in _Page(document).parts() if part) + "\n"


class _Page:
    def __init__(self, document: Json) -> None:
        self._document = document
        self._operations = list(operations(document))

    def parts(self) -> Iterator[str]:
        tags = {tag["name"]: tag.get("description", "") for tag in self._document.get("tags", ())}
        named = {(operation.tags or ["other"])[0]: "" for operation in self._operations} | tags
        yield HEAD
        yield sentences(self._document["info"].get("description"))
        yield self._contents(list(named))
        if self._shared:
            yield f"## Problems of every operation\n\n{EVERY}"
            yield _problem_table(self._shared)
        for tag, description in named.items():
            yield f"## {tag}"
            yield sentences(description)
            for operation in self._of(tag):
                yield from self._operation(operation)
        yield "## Schemas\n\nA field that is not marked as optional is always there."
        for name in sorted(reachable(self._document, [each.node for each in self._operations]) - self._of_problems):
            yield from self._schema(name)
        yield "## What the codes mean" if any(self._codes.values()) else ""
        yield table(("code", "status", "says"), sorted(self._meanings()))

    def _of(self, tag: str) -> list[Operation]:
        return [operation for operation in self._operations if (operation.tags or ["other"])[0] == tag]

    def _contents(self, tags: list[str]) -> str:
        lines = ["[Problems of every operation](#problems-of-every-operation)"] if self._shared else []
        for tag in tags:
            links = (f"[{each.id.removeprefix(f'{tag}_')}](#{each.id.lower()})" for each in self._of(tag))
            lines.append(f"[{tag}](#{tag.lower().replace(' ', '-')}): {', '.join(links)}")
        lines.append("[Schemas](#schemas)")
        lines += ["[What the codes mean](#what-the-codes-mean)"] if any(self._codes.values()) else []
        return "\n".join(f"- {line}" for line in lines)

    @cached_property
    def _codes(self) -> dict[str, Codes]:
        """Of each operation."""
        return {operation.id: self._problems(operation) for operation in self._operations}

    @cached_property
    def _shared(self) -> Codes:
        """What every operation that can fail at all has."""
        failing = [codes for codes in self._codes.values() if codes]
        return reduce(_common, failing) if failing else {}

    @cached_property
    def _of_problems(self) -> set[str]:
        """The schemas of problems of one code, which a table tells instead."""
        schemas = self._document.get("components", {}).get("schemas", {})
        return {name for name in schemas if len(problems(self._document, schemas[name]) or ()) == 1}

    def _meanings(self) -> Iterator[tuple[str, str, str]]:
        every = [(c, status, says) for of in self._codes.values() for status in of for c, says in of[status].items()]
        for found, says in dict.fromkeys((c, says) for c, _, says in every):
            yield code(found), ", ".join(sorted({status for c, status, _ in every if c == found})), says

    def _problems(self, operation: Operation) -> Codes:
        found: Codes = {}
        for status, answer in operation.node.get("responses", {}).items():
            if status.startswith(("4", "5")):
                for media in resolved(self._document, answer).get("content", {}).values():
                    listed = problems(self._document, media.get("schema", True)) or {}
                    found[status] = {c: sentences(self._says(each.name)) for c, each in sorted(listed.items())}
        return {status: codes for status, codes in found.items() if codes}

    def _says(self, name: str | None) -> str:
        said: str = self._document["components"]["schemas"].get(name, {}).get("description", "")
        return said

    def _who(self, operation: Operation) -> str:
        """Who is let in at all; the description says what else is needed."""
        ways = [" and ".join(code(each) for each in sorted(way)) for way in operation.ways_in if way]
        if not all(operation.ways_in):
            return "anybody" + (f", or with {' or '.join(ways)}" if ways else "")
        is_of_few = any("administrators_only" in codes for codes in self._codes[operation.id].values())
        return f"{'administrators' if is_of_few else 'anybody who is signed in'} ({' or '.join(ways)})"

    def _operation(self, operation: Operation) -> Iterator[str]:
        node = operation.node
        yield f"### {operation.id}"
        deprecated = "Deprecated." if node.get("deprecated") else ""
        said = sentences(node.get("summary"), node.get("description"), deprecated)
        yield f"`{operation.method.upper()} {operation.path}`: {said}"
        yield f"Who may: {self._who(operation)}."
        yield table(("parameter", "in", "type", "says"), list(self._parameters(operation)))
        yield self._body(operation)
        yield table(("answer", "body", "headers", "says"), list(self._answers(operation)))
        shared = {c for codes in self._shared.values() for c in codes}
        own = {s: {c: "" for c in codes if c not in shared} for s, codes in self._codes[operation.id].items()}
        rows = [(status, ", ".join(map(code, codes))) for status, codes in sorted(own.items()) if codes]
        yield table(("problem", "codes"), rows)
        yield f"```sh\n{curl(operation)}\n```"

    def _parameters(self, operation: Operation) -> Iterator[tuple[str, ...]]:
        """A filter and its operators share a row."""
        families: dict[tuple[str, str], list[Json]] = {}
        for parameter in operation.parameters.values():
            families.setdefault((parameter["in"], parameter["name"].partition("[")[0]), []).append(parameter)
        for (where, _), family in families.items():
            first = family[0]
            schema: Schema = first.get("schema", True)
            required = "required; " if first.get("required") and where != "path" else ""
            names = " ".join(code(each["name"]) for each in family)
            yield names, where, required + told(self._document, schema), sentences(first.get("description"))

    def _body(self, operation: Operation) -> str:
        body = resolved(self._document, operation.node.get("requestBody", {}))
        kinds: dict[str, list[str]] = {}
        for kind, media in body.get("content", {}).items():
            kinds.setdefault(told(self._document, media.get("schema", True)), []).append(f"`{kind}`")
        what = "; ".join(f"{shape} as {' or '.join(names)}" for shape, names in kinds.items())
        optional = "" if body.get("required") else " (optional)"
        return f"Body{optional}: {what}. {sentences(body.get('description'))}".strip() if kinds else ""

    def _answers(self, operation: Operation) -> Iterator[tuple[str, ...]]:
        for status, answer in sorted(operation.node.get("responses", {}).items()):
            if status not in self._codes[operation.id]:
                found = resolved(self._document, answer)
                bodies = dict.fromkeys(
                    told(self._document, media.get("schema", True))
                    + ("" if kind.endswith("/json") else f" as `{kind}`")
                    for kind, media in found.get("content", {}).items()
                )
                headers = " ".join(code(name) for name in sorted(found.get("headers", {})))
                yield status, "; ".join(bodies), headers, sentences(found.get("description"))

    def _schema(self, name: str) -> Iterator[str]:
        schema = self._document["components"]["schemas"][name]
        yield f"### Schema {name}"
        yield sentences(schema.get("description"))
        found = alternatives(self._document, schema)
        if len(found) > 1:
            yield f"One of {told(self._document, schema)}."
            return
        rows = []
        for field, of in found[0].keywords.get("properties", {}).items():
            optional = "" if field in found[0].keywords.get("required", ()) else "optional; "
            says = of.get("description") if isinstance(of, dict) else ""
            rows.append((code(field), optional + told(self._document, of), sentences(says)))
        if found[0].kind != "object":
            yield f"{told(self._document, schema)}."
        yield table(("field", "type", "says"), rows)


def _common(one: Codes, other: Codes) -> Codes:
    both = {s: {c: t for c, t in one[s].items() if c in other[s]} for s in one if s in other}
    return {status: codes for status, codes in both.items() if codes}


def _problem_table(found: Codes) -> str:
    return table(
        ("problem", "codes"), [(status, ", ".join(map(code, codes))) for status, codes in sorted(found.items())]
    )
