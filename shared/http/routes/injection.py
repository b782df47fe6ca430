"""Injection into endpoints and FastAPI dependencies: a parameter `Annotated[Service, Provide[Container.service]]`."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, get_args

from dependency_injector.wiring import DIWiringWarning, Provide, inject
from fastapi.params import Depends

F = TypeVar("F", bound=Callable[..., Any])


def injected(function: F) -> F:
    """Has the container fill in what is marked, without FastAPI seeing those parameters.

    FastAPI would take each marker for a dependency of its own, and call it in a thread: that costs more than the query.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DIWiringWarning)  # Some have nothing to inject.
        filled = inject(function)
    signature = inspect.signature(function)
    visible = [parameter for parameter in signature.parameters.values() if not _is_marked(parameter)]
    filled.__signature__ = signature.replace(parameters=visible)  # type: ignore[attr-defined]
    return filled


def _is_marked(parameter: inspect.Parameter) -> bool:
    marks = (mark.dependency if isinstance(mark, Depends) else mark for mark in get_args(parameter.annotation)[1:])
    return any(isinstance(mark, Provide) for mark in marks)  # type: ignore[arg-type]  # It is a class.
