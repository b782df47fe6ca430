"""The lines of an upload, NDJSON or CSV, each checked like the body of a POST."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import IO, Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.errors import TooLarge
from shared.http.edge import MOST_ERRORS, TOO_COMPLEX, input_error, is_too_complex
from shared.http.reads import CSV, NDJSON
from shared.schemas import Input
from shared.writes import Imported, ImportFailed, LineBatch, LineError

I = TypeVar("I", bound=Input)  # noqa: E741 (for input)

MOST_LINES = 1_000_000
"""A line may have two bytes only, and all lines are imported in one transaction."""
LONGEST = 1 << 20
"""Bytes of a line, including line breaks within quoted cells."""
BATCH_LINES = 1000
BATCH_BYTES = 1 << 20
"""A batch ends with the line that reaches either."""

_BOM = b"\xef\xbb\xbf"
_NOT_JSON = {"pointer": "", "code": "json_invalid", "message": "JSON decode error"}
_NOT_CSV = {"pointer": "", "code": "csv_invalid", "message": "Line should be CSV as in RFC 4180"}
_CELLS = {"pointer": "", "code": "cells", "message": "Line should have as many cells as the header"}
_TOO_LONG = {"pointer": "", "code": "line_too_long", "message": f"Line should have at most {LONGEST} bytes"}


class _BadLine(Exception):
    """What is wrong with a line."""

    def __init__(self, *errors: Mapping[str, str]) -> None:
        self.errors = errors


def batches(file: IO[bytes], media_type: str, schema: type[I]) -> Iterator[LineBatch[I]]:
    """The lines of a file, in batches. Raises TooLarge past MOST_LINES, and ImportFailed when the header of a CSV is
    wrong.
    """
    records = {NDJSON: _NdjsonRecords, CSV: _CsvRecords}[media_type](file, schema)
    while (batch := _batch(records)) is not None:
        yield batch


def _batch(records: "_Records[I]") -> LineBatch[I] | None:
    """The next lines; None at the end."""
    batch: LineBatch[I] = LineBatch()
    most = records.bytes_read + BATCH_BYTES
    while len(batch.rows) + batch.failed < BATCH_LINES and records.bytes_read < most:
        try:
            row = next(records)
        except StopIteration:
            return batch if batch.rows or batch.failed else None
        except _BadLine as error:
            batch.failed += 1
            found = error.errors[: records.room]
            records.room -= len(found)
            batch.errors += [LineError(line=records.line, **one) for one in found]
        else:
            if row is not None:
                batch.rows[records.line] = row
        records.count += 1
        if records.count > MOST_LINES:
            raise TooLarge(f"An import has at most {MOST_LINES:,} lines.")
    return batch


class _Records(Iterator[I | None], Generic[I]):
    """The inputs, one after the other; None for a blank line. After a _BadLine, the next input can be read."""

    line = 1
    """The line where the last input began."""
    room = MOST_ERRORS
    """How many more errors are listed; later lines are only counted."""
    count = 0
    bytes_read = 0
    _lines_read = 0

    def __init__(self, file: IO[bytes], schema: type[I]) -> None:
        self._file = file
        self._file.seek(len(_BOM) if file.read(len(_BOM)) == _BOM else 0)
        self._schema: TypeAdapter[I] = TypeAdapter(schema)

    def _read(self) -> bytes:
        """The next line; empty at the end of the file."""
        line = self._file.readline(LONGEST + 1)
        self._lines_read += 1
        self.bytes_read += len(line)
        if len(line) <= LONGEST:
            return line
        while not line.endswith(b"\n") and line:
            line = self._file.readline(LONGEST)
        raise _BadLine(_TOO_LONG)

    def _checked(self, value: object) -> I:
        try:
            return self._schema.validate_python(value, from_attributes=True)  # As FastAPI does with a body.
        except ValidationError as error:
            if not self.room:
                raise _BadLine from None
            found = error.errors(include_url=False, include_input=False, include_context=False)[:MOST_ERRORS]
            raise _BadLine(*(input_error({**one, "loc": ("body", *one["loc"])}) for one in found)) from None


class _NdjsonRecords(_Records[I]):
    """A JSON object a line."""

    def __next__(self) -> I | None:
        self.line = self._lines_read + 1
        line = self._read()
        if not line:
            raise StopIteration
        if line.isspace():
            return None
        if is_too_complex(line):
            raise _BadLine(input_error(TOO_COMPLEX))
        try:
            return self._schema.validate_json(line)
        except ValidationError:
            # Report the errors as for a POST.
            if self.room:
                self._checked(_parsed(line))
        raise _BadLine(_NOT_JSON)  # Python's parser takes a little more than RFC 8259 allows.


class _CsvRecords(_Records[I]):
    """A row a line, after a header that names the fields; an empty cell is an absent field, one of no text is JSON."""

    _began = 0
    """The number of bytes before the row."""

    def __init__(self, file: IO[bytes], schema: type[I]) -> None:
        super().__init__(file, schema)
        self._json = json_fields(schema)
        self._rows = csv.reader(iter(self._text, ""), strict=True)
        self._header = self._read_header([*schema.model_fields])

    def __next__(self) -> I | None:
        cells = self._cells()
        if not cells:
            return None
        if len(cells) != len(self._header):
            raise _BadLine(_CELLS)
        given = {name: cell for name, cell in zip(self._header, cells, strict=True) if cell}
        if is_too_complex("".join(cell for name, cell in given.items() if name in self._json).encode(errors="replace")):
            raise _BadLine(input_error(TOO_COMPLEX))
        parsed = {name: _parsed(cell, f"/{name}") for name, cell in given.items() if name in self._json}
        return self._checked(given | parsed)

    def _read_header(self, known: Sequence[str]) -> list[str]:
        try:
            header = self._cells()
            wrong = [_column(name, known) for n, name in enumerate(header) if name not in known or name in header[:n]]
            if wrong:
                raise _BadLine(*wrong)
        except StopIteration:
            return []
        except _BadLine as error:
            errors = [LineError(line=self.line, **one) for one in error.errors[:MOST_ERRORS]]
            raise ImportFailed(Imported(imported=0, failed=1, errors=errors)) from None
        return header

    def _cells(self) -> list[str]:
        self.line, self._began = self._lines_read + 1, self.bytes_read
        try:
            return next(self._rows)
        except csv.Error:
            raise _BadLine(_NOT_CSV) from None

    def _text(self) -> str:
        """The next line. Bytes that are not UTF-8 become halves of surrogate pairs, which no field takes."""
        line = self._read()
        if self.bytes_read - self._began > LONGEST:
            raise _BadLine(_TOO_LONG)
        return line.decode(errors="surrogateescape")


@cache
def json_fields(schema: type[Input]) -> Mapping[str, frozenset[str]]:
    """The fields whose cells in a CSV are JSON, since no value of theirs is a text; with their types in JSON."""
    declared = TypeAdapter(schema).json_schema()
    found = {name: frozenset(_types(field, declared)) for name, field in declared.get("properties", {}).items()}
    return {name: types for name, types in found.items() if "string" not in types}


def _types(field: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in field:
        yield from _types(document["$defs"][field["$ref"].rpartition("/")[2]], document)
    for option in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _types(option, document)
    if "type" in field:
        yield field["type"]


def _column(name: str, known: Sequence[str]) -> dict[str, str]:
    found = {"type": "extra_forbidden", "loc": ("body", name), "msg": "Extra inputs are not permitted"}
    if name in known:
        found |= {"type": "column_repeated", "msg": "Column should be there only once"}
    return input_error(found)


def _parsed(text: bytes | str, pointer: str = "") -> Any:
    try:
        return json.loads(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        raise _BadLine({**_NOT_JSON, "pointer": pointer}) from None
