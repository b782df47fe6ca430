"""Export and import: many rows at once, and what goes out comes in again (docs/guide/importing.md)."""

import csv
import io
import json
from typing import Any

from httpx2 import Response
from pydantic_core import to_jsonable_python

from tests.conformance.listing import Listing
from tests.conformance.promises import takes
from tests.conformance.requests import contents, done, parameters, refused, walk
from tests.conformance.tried import each, needs
from tests.conformance.values import OPERATORS, samples, type_of, written

NDJSON, CSV = "application/x-ndjson", "text/csv"


class Transfers(Listing):
    """`GET …/export`, `POST …/import`."""

    async def exported(self, caller: Any = None, accept: str = NDJSON, /, **params: str) -> Response:
        headers = {"Accept": accept}
        return done(await (caller or self.keeper).get(f"{self.face.path}/export", params=params, headers=headers))

    async def imported(self, caller: Any, lines: list[Any], mode: str = "atomic", kind: str = NDJSON) -> Response:
        content = _csv(lines) if kind == CSV else "".join(f"{json.dumps(line)}\n" for line in lines)
        params, headers = {"mode": mode}, {"Content-Type": kind}
        response: Response = await caller.post(
            f"{self.face.path}/import", content=content, params=params, headers=headers
        )
        return response

    @needs("export")
    async def test_an_export_has_every_document_of_the_list(self):
        """A document a line, byte for byte as a read answers it, in the order of the ids."""
        rows = [self.row, *await self.saved_all([{} for _ in range(4)])]
        lines = (await self.exported()).content.splitlines()
        expected = sorted(str(row.id) for row in rows)
        assert lines == [(await self.keeper.get(self.path(id))).content for id in expected]

    @needs("export")
    async def test_an_export_as_csv_has_a_header_and_a_row_for_each(self):
        """RFC 4180: null is empty, lists and objects are JSON."""
        await self.saved_all([{} for _ in range(2)])
        documents = [json.loads(line) for line in (await self.exported()).content.splitlines()]
        rows = list(csv.DictReader(io.StringIO((await self.exported(None, CSV)).text, newline="")))
        assert [*rows[0]] == self.face.document.selectable()
        for row, document in zip(rows, documents, strict=True):
            for name, value in document.items():
                cell = (
                    "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                )
                assert row[name] == cell

    @each("field", lambda c: c.face.collection.filters if "export" in c.face.routes else [])
    async def test_an_export_is_narrowed_like_the_list(self, field: str):
        """By the same filters, and by the trash that one may restore; it has no pages."""
        await self.varied(field)
        gone = await self.deleted()
        whole = await walk(self.keeper, self.face.path)
        value = next(item[field] for item in whole if item[field] not in (None, [], {}))
        operators = OPERATORS[type_of(self.face.document.model_fields[field].annotation)]
        for operator in [one for one in ("eq", "ne", "contains") if one in operators]:
            params = {f"{field}[{operator}]": written(value)}
            listed = await walk(self.keeper, self.face.path, **params)
            lines = [json.loads(line) for line in (await self.exported(**params)).content.splitlines()]
            assert lines == sorted(listed, key=lambda item: item["id"]), f"{field}[{operator}]"
        lines = (await self.exported(deleted="only", fields="id")).content.splitlines()
        assert [json.loads(line)["id"] for line in lines] == [str(gone.id)]
        for name in ("limit", "cursor", "sort", "count", "nonsense"):
            assert parameters(await self.keeper.get(f"{self.face.path}/export", params={name: "1"})) == [name]

    @needs("export")
    async def test_an_export_shows_nothing_of_others(self):
        """Not even to an administrator."""
        for caller in (await self.outsider(), await self.admin()):
            assert (await self.exported(caller, deleted="include")).content == b""

    @each("kind", lambda c: [NDJSON, CSV] if {"export", "import"} <= c.face.routes.keys() else [])
    async def test_what_goes_out_comes_in_again(self, kind: str):
        """The exported rows of one account, imported by another one: the same in every field that a client writes."""
        schema, known = self.face.schema("create"), self.face.model.model_fields
        fields = [name for name in schema.model_fields if name in self.face.document.model_fields]
        for field in fields:
            values = samples(known[field].annotation, is_unique=field in self.face.unique)
            good = [value for value in values if takes(schema, {field: to_jsonable_python(value)})]
            await self.saved_all([{field: value} for value in good[:3]])
        out = [json.loads(line) for line in (await self.exported()).content.splitlines()]
        lines = [{name: document[name] for name in fields if document[name] is not None} for document in out]
        other = await self.outsider()
        answer = done(await self.imported(other, lines, kind=kind))
        assert answer.json() == {"imported": len(lines), "failed": 0, "errors": []}
        again = [json.loads(line) for line in (await self.exported(other)).content.splitlines()]
        written_again = [{name: document[name] for name in fields} for document in again]
        assert sorted(written_again, key=str) == sorted(({name: one[name] for name in fields} for one in out), key=str)
        assert all(document["version"] == 1 for document in again)

    @needs("import")
    async def test_an_import_with_a_bad_line_writes_nothing(self):
        """422 `import_failed` with the line and the pointer; `mode=partial` imports the others."""
        bad = {name: ["x"] for name in list(self.face.schema("create").model_fields)[:1]}
        lines = [self.body(), bad, self.body()]
        before = await contents(self.stage.database)
        problem = refused(await self.imported(self.keeper, lines), 422, "import_failed")
        assert (problem["errors"][0]["line"], problem["errors"][0]["pointer"]) == (2, f"/{next(iter(bad))}")
        assert await contents(self.stage.database) == before, "All lines are imported, or none."
        partly = done(await self.imported(self.keeper, lines, "partial")).json()
        assert (partly["imported"], partly["failed"]) == (2, 1)

    @needs("import")
    async def test_an_import_is_repeated_and_tried_like_every_change(self):
        """Under an idempotency key it is made once; a dry run keeps nothing."""
        content = json.dumps(self.body()).encode()
        path, headers = f"{self.face.path}/import", {"Content-Type": NDJSON, "Idempotency-Key": "k"}
        before = await contents(self.stage.database)
        done(await self.keeper.post(f"{path}?dry_run=true", content=content, headers=headers))
        assert await contents(self.stage.database) == before, "A dry run keeps nothing."
        first, again = [done(await self.keeper.post(path, content=content, headers=headers)) for _ in range(2)]
        assert (again.content, again.headers.get("Idempotency-Replayed")) == (first.content, "true")


def _csv(lines: list[dict[str, Any]]) -> str:
    """RFC 4180: null is empty, and what is no text is JSON."""
    text, names = io.StringIO(), list(dict.fromkeys(name for line in lines for name in line))
    cells = [[line.get(name) for name in names] for line in lines]
    csv.writer(text).writerows(
        [names, *([one if one is None or isinstance(one, str) else json.dumps(one) for one in row] for row in cells)]
    )
    return text.getvalue()
