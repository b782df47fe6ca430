"""What the declarations of a resource say about it: its routes, schemas, columns, rules and roles.

Everything is read from the manifest that names the repository. Nothing is known of any module.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import sqlalchemy as sa
from pydantic import BaseModel

from shared.auth import ADMIN
from shared.http.batch import is_batchable
from shared.http.routes.authentication import administrator
from shared.http.routes.fastapi_seam import functions_of
from shared.http.routes.routing import API_PREFIX, Route
from shared.manifest import Module, discover
from shared.reads import Collection, Document
from shared.rows import Resource, table_of
from shared.writes import Repository

PLACES = {
    "create": ("POST", ""),
    "list": ("GET", ""),
    "totals": ("GET", "/summary"),
    "change_all": ("PATCH", ""),
    "delete_all": ("DELETE", ""),
    "export": ("GET", "/export"),
    "import": ("POST", "/import"),
    "get": ("GET", "/{}"),
    "history": ("GET", "/{}/history"),
    "change": ("PATCH", "/{}"),
    "delete": ("DELETE", "/{}"),
    "restore": ("POST", "/{}/restore"),
}
"""Method and path of each verb, from the path of the collection on; `{}` stands for the id."""

READS = ("get", "history")
ROW_WRITES = ("change", "delete", "restore")
WRITES = ("create", *ROW_WRITES)


@dataclass(frozen=True)
class Face:
    """A resource, as its module declares it."""

    resource: type[Repository[Any]]

    @cached_property
    def module(self) -> Module:
        """The module whose manifest names it."""
        return next(module for module in discover() if self.resource in module.resources)

    @cached_property
    def path(self) -> str:
        """Of the collection, from the API's base path on."""
        for route in _routes(self.module):
            above, _, last = route.path.rpartition("/")
            if route.methods == {"GET"} and route.response_model is self.document and re.fullmatch(r"{\w+}", last):
                return above.removeprefix(API_PREFIX)
        raise LookupError(f"No route of '{self.module.name}' answers GET …/{{id}} with {self.document.__name__}.")

    @cached_property
    def routes(self) -> Mapping[str, Route]:
        """The routes of the verbs that it has."""
        known = {(*(route.methods or ()), re.sub(r"{\w+}", "{}", route.path)): route for route in _routes(self.module)}
        found = {verb: known.get((method, API_PREFIX + self.path + path)) for verb, (method, path) in PLACES.items()}
        return {verb: route for verb, route in found.items() if route is not None}

    def verbs(self, *names: str) -> list[str]:
        """Those of these verbs that it has."""
        return [name for name in names if name in self.routes]

    def schema(self, verb: str) -> type[BaseModel]:
        """Of the body that the verb takes."""
        (body,) = self.routes[verb].dependant.body_params
        return cast("type[BaseModel]", body.field_info.annotation)

    def is_administered(self, verb: str) -> bool:
        """Whether the verb is for administrators alone, whatever the row."""
        return any(inspect.unwrap(function) is administrator for function, _ in functions_of(self.routes[verb]))

    def is_public(self, verb: str) -> bool:
        return self.routes[verb].traits.public

    def is_batchable(self, verb: str) -> bool:
        return is_batchable(self.routes[verb])

    @property
    def model(self) -> type[Resource]:
        model: type[Resource] = self.resource.model
        return model

    @property
    def table(self) -> sa.Table:
        return table_of(self.model)

    @property
    def collection(self) -> Collection:
        return self.resource.collection

    @property
    def document(self) -> type[Document]:
        return self.collection.document

    @property
    def roles(self) -> list[str]:
        """Those that the policy allows something, but for the administrators of the service."""
        return sorted({str(role) for roles in self.resource.policy.allowed.values() for role in roles} - {ADMIN})

    def allows(self, role: str, action: str) -> bool:
        return role in self.resource.policy.allowed[action]

    @property
    def sharers(self) -> list[sa.Column[Any]]:
        """The columns that name who a row belongs to."""
        return [column for column in self.table.columns if "sharer" in column.info]

    def referring(self, table: sa.Table) -> list[sa.Column[Any]]:
        """The columns that refer to a table."""
        return [column for column in self.table.c if any(key.column.table is table for key in column.foreign_keys)]

    @property
    def secrets(self) -> list[sa.Column[Any]]:
        return [column for column in self.table.columns if "secret" in column.info]

    @property
    def rules(self) -> Mapping[str, list[str]]:
        """The unique rules among live rows, by the name of each, and their columns."""
        return {
            str(index.name): _columns_of(index, self.table)
            for index in self.table.indexes
            if index.unique and index.dialect_options["postgresql"]["where"] is not None
        }

    @property
    def unique(self) -> set[str]:
        """The columns whose values are not all free."""
        return {name for columns in self.rules.values() for name in columns} | {
            column.name for column in self.table.columns if column.unique or column.primary_key
        }

    def referred(self, column: sa.Column[Any]) -> "Face":
        """The resource that a column refers to."""
        (key,) = column.foreign_keys
        resources = (resource for module in discover() for resource in module.resources)
        return next(Face(resource) for resource in resources if table_of(resource.model) is key.column.table)

    def searched(self) -> list[str]:
        """The columns whose words the search finds."""
        column = self.table.c[self.collection.search or ""]
        return [name for name in re.findall(r"\w+", str(column.computed.sqltext)) if name in self.table.c]


def _routes(module: Module) -> list[Route]:
    return [route for route in module.router.routes if isinstance(route, Route)]


def _columns_of(index: sa.Index, table: sa.Table) -> list[str]:
    words = re.findall(r"\w+", " ".join(str(expression) for expression in index.expressions))
    return [name for name in words if name in table.c]
