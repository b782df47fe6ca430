"""What the endpoints of an assembled application say of themselves, whatever their source calls it."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args, get_origin, is_typeddict

from fastapi import FastAPI, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.container import Application
from app.development.checking.places import Wrong
from app.development.checking.tree import Tree
from shared.http.routes import Route, takes
from shared.reads import Document
from shared.rows import Model
from shared.writes import Change

_SHAPELESS = (dict, list, tuple, set, frozenset)
"""Types of which no schema tells what is in them, unless they are arguments' own, as of `list[str]`."""


class Declared(NamedTuple):
    """What a decorator says of an endpoint, beside that of the router."""

    endpoint: Any

    def line(self, tree: Tree, path: str, first: int) -> int:
        """Where it says so. `first` is the line of the first decorator."""
        for node in tree.sources[path].nodes if path in tree.sources else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
                lines = [each.lineno for each in node.decorator_list]
                called = (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
                if lines[0] == first:
                    own = (line for line, each in zip(lines, called, strict=True) if isinstance(each, ast.Name))
                    return next(own, first)
        return first


def anybody_changes(_: Application, app: FastAPI) -> Wrong:
    """Who may change something without an account is a decision: the line says why, where a reviewer sees it."""
    advice = "ask who calls, or say here why not: `# check: …`."
    for route in module_routes(app):
        if isinstance(route, Route) and route.traits.public and route.changes:
            yield Declared(route.endpoint), f"{_name(route)} lets anybody change something: {advice}"


def changes_by_a_read(_: Application, app: FastAPI) -> Wrong:
    """A GET changes nothing: it has no unit of work, and clients, caches and crawlers repeat it as they like."""
    for route in module_routes(app):
        if isinstance(route, Route) and not route.changes and takes(route.endpoint, Change):
            methods, advice = ", ".join(sorted(route.methods or ())), "take a POST, PUT, PATCH or DELETE."
            yield route.endpoint, f"{_name(route)} answers {methods} and takes a change: {advice}"


def answers(_: Application, app: FastAPI) -> Wrong:
    """A row has columns that are nobody's to see, and no policy judged it. A dictionary can hold anything. No model has
    a member of a secret's name.
    """
    secrets = {column.name for table in Model.metadata.tables.values() for column in table.c if "secret" in column.info}
    for route in module_routes(app):
        hint = inspect.signature(route.endpoint, eval_str=True).return_annotation
        if _is_shapeless(route.response_model) or (route.response_model is None and not _is_said(hint)):
            advice = "give it a Document, or a model of schemas.py."
            yield route.endpoint, f"{_name(route)} answers with what no schema describes: {advice}"
        for model in {*_models_in(route.response_model), *_models_in(hint)}:
            if hasattr(model, "__table__"):
                advice = "answer with a Document of it."
                yield route.endpoint, f"{_name(route)} answers with rows of {model.__name__}: {advice}"
            elif not issubclass(model, Document):
                for name in sorted(secrets & model.model_fields.keys()):
                    yield route.endpoint, f"{model.__name__} shows {name}, as a secret column is called. Leave it out."


def module_routes(app: FastAPI) -> Iterator[APIRoute]:
    """Those whose endpoints modules wrote."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.endpoint.__module__.startswith("modules."):
            yield route


def _name(route: APIRoute) -> str:
    return route.endpoint.__name__


def _is_said(hint: Any) -> bool:
    """Whether an endpoint without a model says what it answers: nothing, or a response of the kernel's."""
    return hint is None or (isinstance(hint, type) and issubclass(hint, Response))


def _is_shapeless(kind: Any) -> bool:
    """Whether a type may hold anything, or holds what may."""
    outer = get_origin(kind) or kind
    is_mapping = isinstance(outer, type) and issubclass(outer, Mapping) and not is_typeddict(outer)
    if is_mapping or outer is Any or outer is object:
        return True
    return kind in _SHAPELESS or any(_is_shapeless(inner) for inner in get_args(kind) if inner is not ...)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type, and in their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models_in(field.annotation)
    for inner in get_args(annotation):
        yield from _models_in(inner)


LOOKS = (anybody_changes, changes_by_a_read, answers)
