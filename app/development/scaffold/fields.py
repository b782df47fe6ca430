"""The fields of a new module's rows, as `trellis module new --field` takes them: `name:kind`, `name:kind?`."""

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sqlmodel import SQLModel

from app.development.scaffold.names import camel
from app.fields import LONGEST_FIELD, NOT_FOR_FIELDS
from shared.http.reads import RESERVED
from shared.reads import RELEVANCE


@dataclass(frozen=True)
class Kind:
    """How values of a kind are stored, taken, told and made up; each is Python source."""

    about: str
    stored: str
    """The type of the column."""
    taken: str
    """The type in requests."""
    example: str
    """Of a request. In tests, `{n}` stands for a number."""
    options: str = ""
    """What the column's Field takes."""
    told: str = ""
    """The type in documents, if it is another one."""
    made: str = ""
    """In tests, if it is not the example."""
    stored_imports: Sequence[str] = ()
    taken_imports: Sequence[str] = ()
    sorts: bool = True
    filters: bool = True
    adds: bool = False
    """Whether totals add it up."""

    def qualified(self) -> "Kind":
        """The same with `dt.date` for `date`, where that is the name of a field."""
        if self.stored not in TIMES:
            return self
        stored, taken, made = (_TIME.sub(r"dt.\1", source) for source in (self.stored, self.taken, self.made))
        return replace(self, stored=stored, taken=taken, made=made, stored_imports=("import datetime as dt",))


TIMES = frozenset({"date", "time", "datetime", "timedelta"})
"""The types that have natural names for fields."""
_TIME = re.compile(rf"\b({'|'.join(sorted(TIMES))})\b")
_ID = "019c2f4e-0000-7000-8000-000000000000"

KINDS: Mapping[str, Kind] = {
    "line": Kind(
        "text on one line, up to 200 characters",
        "str",
        "Line",
        '"Relaunch"',
        "max_length=200",
        made='Sequence(lambda n: f"Number {n}")',
        taken_imports=("from shared.schemas import Line",),
    ),
    "text": Kind(
        "text of up to 10,000 characters",
        "str",
        "Annotated[Text, Field(max_length=10_000)]",
        '"With a till that works offline."',
        "max_length=10_000",
        taken_imports=("from shared.schemas import Text",),
        sorts=False,
    ),
    "int": Kind("a whole number of 32 bits", "int", "int", "3"),
    "bool": Kind("true or false", "bool", "bool", "True"),
    "date": Kind(
        "a day",
        "date",
        "date",
        '"2026-12-31"',
        made="date(2026, 12, 31)",
        stored_imports=("from datetime import date",),
    ),
    "datetime": Kind(
        "an instant, with its offset",
        "datetime",
        "datetime",
        '"2026-12-31T12:00:00Z"',
        made="datetime(2026, 12, 31, 12, tzinfo=UTC)",
        stored_imports=("from datetime import datetime",),
    ),
    "time": Kind(
        "a time of day, without an offset",
        "time",
        "time",
        '"12:30:00"',
        made="time(12, 30)",
        stored_imports=("from datetime import time",),
    ),
    "duration": Kind(
        "a duration of days to microseconds",
        "timedelta",
        "timedelta",
        '"PT1H30M"',
        made="timedelta(minutes=90)",
        stored_imports=("from datetime import timedelta",),
        adds=True,
    ),
    "decimal": Kind(
        "a decimal number with ten digits and two after the point, which is a string in JSON",
        "Decimal",
        "Annotated[Decimal, Field(max_digits=12, decimal_places=2)]",
        '"12.50"',
        "max_digits=12, decimal_places=2",
        made='Decimal("12.50")',
        stored_imports=("from decimal import Decimal",),
        adds=True,
    ),
    "float": Kind("a finite number of 64 bits", "float", "float", "0.5"),
    "url": Kind(
        "an http or https URL",
        "str",
        "Url",
        '"https://example.com/"',
        "max_length=2000",
        taken_imports=("from shared.schemas import Url",),
        sorts=False,
    ),
    "email": Kind(
        "an e-mail address",
        "str",
        "Email",
        '"ada@example.com"',
        "max_length=254",
        made='Sequence(lambda n: f"ada{n}@example.com")',
        taken_imports=("from shared.schemas import Email",),
    ),
    "texts": Kind(
        "a list of up to 100 texts",
        "list[str]",
        "Annotated[list[Annotated[Text, Field(max_length=200)]], Field(max_length=100)]",
        '["garden"]',
        "sa_type=texts()",
        made='Sequence(lambda n: [f"label {n}"])',
        stored_imports=("from shared.rows import texts",),
        taken_imports=("from shared.schemas import Text",),
        sorts=False,
    ),
    "json": Kind(
        "a JSON object of up to 100 kB",
        "dict[str, Any]",
        "Json",
        '{"size": 3}',
        "sa_type=json_object()",
        made='Sequence(lambda n: {"size": n})',
        stored_imports=("from typing import Any", "from shared.rows import json_object"),
        taken_imports=("from shared.schemas import Json",),
        sorts=False,
    ),
    "uuid": Kind(
        "an id of something elsewhere",
        "UUID",
        "UUID",
        f'"{_ID}"',
        made=f'UUID("{_ID}")',
        stored_imports=("from uuid import UUID",),
        sorts=False,
    ),
}
"""By the name that a command gives it; `enum=draft,sent` is one more."""

_FIELD = re.compile(r"(?P<name>[a-z][a-z0-9_]*):(?P<kind>[a-z]+)(?:=(?P<values>[a-z0-9_,]+))?(?P<nullable>\?)?")
_ROWS = {"id", "created_at", "updated_at", "version", "deleted_at", "deletion_id", "purge_at", "owner_id", "search"}
_FACTORIES = {"saved", "database", "build", "create", "stub", "generate", "simple_generate", "reset_sequence"}
_BATCHES = {"build_batch", "create_batch", "stub_batch", "generate_batch", "simple_generate_batch"}
_TESTS = {"self", "cls", *_FACTORIES, *_BATCHES}
TAKEN = _ROWS | RESERVED | {RELEVANCE, *dir(SQLModel)} | NOT_FOR_FIELDS | _TESTS
"""Names that every row, every list, every model, every request or every factory of tests has already."""
LONGEST_VALUE = 20
"""So many characters has the column of an enumeration."""


class FieldError(Exception):
    """A field cannot be made; the message says why."""


@dataclass(frozen=True)
class NewField:
    """A field, and the Python source of its places."""

    name: str
    kind: Kind
    is_nullable: bool
    model: str
    """The class of the rows."""
    values: Sequence[str] = ()
    """Of an enumeration."""

    @classmethod
    def parsed(cls, given: str, model: str) -> "NewField":
        """`total:decimal`, `due:date?`, `state:enum=draft,sent,paid`. Raises FieldError."""
        match = _FIELD.fullmatch(given)
        if match is None:
            raise FieldError(f"'{given}' is no field: write name:kind, name:kind? where it may be missing.")
        name, kind = match["name"], match["kind"]
        if name in TAKEN or keyword.iskeyword(name):
            raise FieldError(f"A field cannot be called '{name}'.")
        if "__" in name:
            raise FieldError(
                f"A field cannot be called '{name}': two underscores have a meaning in factories of tests."
            )
        if len(name) > LONGEST_FIELD:
            raise FieldError(f"A field cannot be called '{name}': PostgreSQL takes {LONGEST_FIELD} characters.")
        values = tuple(dict.fromkeys((match["values"] or "").split(","))) if kind == "enum" else ()
        if kind == "enum" and not all(map(_is_value, values)):
            raise FieldError(
                f"'{given}': an enumeration names its values, words of at most {LONGEST_VALUE} characters: "
                f"{name}:enum=draft,sent."
            )
        if kind != "enum" and (kind not in KINDS or match["values"]):
            raise FieldError(f"'{given}': the kinds are {', '.join([*KINDS, 'enum=…'])}.")
        found = _enumeration(f"{model}{camel(name)}", values) if values else KINDS[kind]
        return cls(name, found, match["nullable"] is not None, model, values)

    def qualified(self) -> "NewField":
        """The same among fields of which one has the name of a type."""
        return replace(self, kind=self.kind.qualified())

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        return self.name.replace("_", " ")

    @property
    def alias(self) -> str:
        """The name of its type in requests."""
        return f"{camel(self.name)}Field"

    @property
    def type(self) -> str:
        """The class of an enumeration."""
        return self.kind.stored

    @cached_property
    def stored(self) -> str:
        """The annotation of the column, and what follows it."""
        kind = f"{self.kind.stored} | None" if self.is_nullable else self.kind.stored
        default = "default=None" if self.is_nullable else ""
        options = ", ".join(filter(None, (default, self.kind.options)))
        return f"{kind} = Field({options})" if options else kind

    @property
    def told(self) -> str:
        """The type in documents."""
        kind = self.kind.told or self.kind.stored
        return f"{kind} | None" if self.is_nullable else kind

    @property
    def made(self) -> str:
        """The value in tests."""
        return self.kind.made or self.kind.example


def _is_value(word: str) -> bool:
    is_word = word.isidentifier() and not keyword.iskeyword(word) and word == word.strip("_")
    return is_word and len(word) <= LONGEST_VALUE


def _enumeration(type: str, values: Sequence[str]) -> Kind:
    return Kind(
        "one of some values",
        type,
        type,
        f'"{values[0]}"',
        f"sa_type=choice({type})",
        made=f"{type}.{values[0].upper()}",
        stored_imports=("from shared.rows import choice",),
    )
