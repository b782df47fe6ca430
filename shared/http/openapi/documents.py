"""Documents: as `fields` selects them, when deleted, and as their history and the change feed tell of them."""

import copy
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, get_args

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from sqlalchemy import ARRAY, JSON, Column, Interval, Table
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeDecorator, TypeEngine

from shared.auth import READ
from shared.exact import Told
from shared.feed import ChangeRead
from shared.http.reads import PageOf
from shared.reads import ALLOWED_ACTIONS, Document, HistoryRead, JournalRead
from shared.rows import Model, table_of
from shared.writes import Repository

Json = dict[str, Any]

_COLUMNS = {
    "id": "The id: a UUIDv7, so that later ones are greater.",
    "created_at": "When it was created.",
    "updated_at": "When it was last changed.",
    "version": "Counts the changes, from 1 on. The ETag begins with it.",
}
"""Words for the columns that the kernel gives to every resource."""

_TRASH = {
    "deleted_at": {
        "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
        "description": "When it was deleted; null while it is not. Only in a list that has deleted ones.",
    },
    "purge_at": {
        "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
        "description": "Until when it can be restored. Only in a list that has deleted ones.",
    },
}


class Documents:
    """Completes the schemas of documents in an OpenAPI document."""

    def __init__(
        self, document: Json, routes: Sequence[APIRoute], repositories: Sequence[type[Repository[Any]]]
    ) -> None:
        self._schemas: Json = document["components"]["schemas"]
        self._routes = routes
        self._repositories = {one.collection.document: one for one in repositories}
        for schema in self._schemas.values():
            for name, words in _COLUMNS.items():
                if name in schema.get("properties", {}):
                    schema["properties"][name].setdefault("description", words)
        for kind in (ChangeRead, HistoryRead, JournalRead):
            self._name_rows(self._schemas.get(kind.__name__, {}), self._tables)

    def describe(self, route: APIRoute, operation: Json) -> None:
        """The answer of a read that takes `fields`: a document, or a page of them, in which every member may be left
        out. It is no union with the whole document: generators make one class of both, or a class around them.
        """
        if not any(parameter["name"] == "fields" for parameter in operation.get("parameters", ())):
            return
        model, content = route.response_model, operation["responses"]["200"].get("content", {})
        if "application/json" not in content or not isinstance(model, type):
            return
        shown: Any = get_args(model.model_fields["items"].annotation)[0] if issubclass(model, PageOf) else model
        name = self._partial(shown)
        if (repository := self._subject(route)) is not None and issubclass(shown, HistoryRead):
            name = self._history(name, table_of(repository.model))
        if shown is not model:
            page = copy.deepcopy(self._schemas[content["application/json"]["schema"]["$ref"].rpartition("/")[2]])
            page["properties"]["items"]["items"] = _reference(name)
            name = f"{name.removesuffix('Partial')}Page"
            self._schemas[name] = page | {"description": "A page of a list."}
        content["application/json"]["schema"] = _reference(name)

    def _partial(self, shown: type[Document]) -> str:
        """The name of the document's schema without required members."""
        name = f"{shown.__name__.removesuffix('Read')}Partial"
        if name not in self._schemas:
            schema = copy.deepcopy(self._schemas[shown.__name__])
            schema.pop("required", None)
            schema["description"] = f"{schema.get('description', '')} `fields` may leave out any member.".lstrip()
            repository = self._repositories.get(shown)
            if repository is not None and repository.collection.has_trash:
                schema["properties"] |= copy.deepcopy(_TRASH)
            if repository is not None:
                schema["properties"][ALLOWED_ACTIONS] = _actions(repository)
            self._schemas[name] = schema
        return name

    def _subject(self, route: APIRoute) -> type[Repository[Any]] | None:
        """The resource whose history it tells: that of the document at the path above."""
        above = route.path_format.rpartition("/")[0]
        models = (one.response_model for one in self._routes if one.path_format == above)
        return next((self._repositories[one] for one in models if one in self._repositories), None)

    def _history(self, general: str, table: Table) -> str:
        """The name of the history's schema of one resource: its values are columns, those of its parts included."""
        tables = [table, *(one for one in self._tables if _whole(one) == table.name)]
        prefix = "".join(word.capitalize() for word in table.name.split("_"))
        name, values = f"{prefix}{general}", f"{prefix}Values"
        schema = self._schemas[name] = copy.deepcopy(self._schemas[general])
        self._name_rows(schema, tables)
        for state in ("before", "after"):
            schema["properties"][state]["anyOf"][0] = _reference(values)
        self._schemas[values] = {
            "type": "object",
            "description": f"Columns of {' or '.join(one.name for one in tables)}. Later versions may have more.",
            "properties": dict(_properties(tables)),
            "additionalProperties": True,
        }
        return name

    @cached_property
    def _tables(self) -> list[Table]:
        """The tables of the resources, and of their parts."""
        resources = [table_of(one.model) for one in self._repositories.values()]
        names = {table.name for table in resources}
        parts = [table for table in Model.metadata.sorted_tables if _whole(table) in names]
        return resources + parts

    def _name_rows(self, schema: Json, tables: Sequence[Table]) -> None:
        """Tell the values of `resource` and `part`. They are open: with a new module there are more, and a client that
        knows only these must go on. So they are no `enum`, which generated clients enforce.
        """
        known = {
            "resource": [table.name for table in tables if _whole(table) is None],
            "part": [table.name for table in tables if _whole(table) is not None],
        }
        for name, values in known.items():
            found = schema.get("properties", {}).get(name, {})
            for one in found.get("anyOf", [found]):
                one.pop("x-extensible-enum", None)
                if values and one.get("type") == "string":
                    one["x-extensible-enum"] = sorted(values)


def _actions(repository: type[Repository[Any]]) -> Json:
    """What one may do with a row. With a later version it may be more."""
    return {
        "type": "array",
        "items": {"type": "string", "x-extensible-enum": [READ, *repository.policy.allowed]},
        "description": "What you may do with it as it is now, by your role and the scopes of your key, if `include` "
        "names it.",
    }


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _whole(table: Table) -> str | None:
    """The resource that the table's rows are parts of."""
    found: tuple[str, str] | None = table.info.get("recorded_with")
    return found and found[0]


def _properties(tables: Sequence[Table]) -> Iterator[tuple[str, Json]]:
    """What the journal tells of the tables' columns, all of which may be absent."""
    columns: dict[str, list[Column[Any]]] = {}
    for table in tables:
        for column in table.columns:
            if "secret" not in column.info and not isinstance(column.type, TSVECTOR):
                columns.setdefault(column.name, []).append(column)
    for name, same in columns.items():
        kinds = [kind for column in same for kind in _kinds(column)]
        kinds = [kind for n, kind in enumerate(kinds) if kind not in kinds[:n]]
        where = " or ".join(f"`{column.table.name}.{name}`" for column in same)
        yield name, (kinds[0] if len(kinds) == 1 else {"anyOf": kinds}) | {"description": f"The column {where}."}


def _kinds(column: Column[Any]) -> Iterator[Json]:
    yield _words(column.type)
    if column.nullable:
        yield {"type": "null"}


def _words(kind: TypeEngine[Any]) -> Json:
    """What a document says of values of a column's type."""
    if isinstance(kind, ARRAY):
        return {"type": "array", "items": _words(kind.item_type)}
    if isinstance(kind, JSON):
        return {"type": "object", "additionalProperties": True}
    if isinstance(kind, Interval):
        return {"type": "string", "format": "duration"}
    one = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    try:
        told: Any = Annotated[one.python_type, Told]
        schema = TypeAdapter(told).json_schema(mode="serialization")
    except NotImplementedError:  # SQLAlchemy knows no such type of Python's.
        schema = {}
    return {key: value for key, value in schema.items() if key in {"type", "format", "enum"}}
