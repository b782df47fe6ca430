"""How promises are chosen for a resource, and run: by pytest, or one by one by the tests of the kit.

A family is a class of tests, each of them one promise. Its docstring says where the promise is made. `needs` and `each`
say which resources a test is about: of others it is not collected, since there is nothing to skip.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import pytest

from shared.writes import Repository
from tests.conformance.faces import ROW_WRITES, Face
from tests.conformance.stages import Stage, committing

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Act:
    """What is declared of a write of a row that is none of the verbs."""

    action: str
    """The action of the policy that it asks for."""
    is_batchable: bool


def act(action: str, *, is_batchable: bool = True) -> Callable[[F], F]:
    """The method takes a row, and gives a write of it that is none of the verbs, such as `POST /orders/{id}/pay`.

    It is held to what every write promises: who may, idempotency, preconditions, dry runs, batches.
    """

    def add(method: F) -> F:
        method.__dict__["act"] = Act(action, is_batchable)
        return method

    return add


def row_writes(contract: Any) -> list[str]:
    """The verbs and acts of the resource that change a row which is there."""
    return [*contract.face.verbs(*ROW_WRITES), *contract.acts]


def writes(contract: Any) -> list[str]:
    """The same, and `create`."""
    return [*contract.face.verbs("create"), *row_writes(contract)]


def batchable(contract: Any) -> list[str]:
    """Those of `row_writes` that may be part of a batch."""
    acts = contract.acts
    return [v for v in row_writes(contract) if (acts[v].is_batchable if v in acts else contract.face.is_batchable(v))]


def needs(*verbs: str, if_: Callable[[Any], object] = bool) -> Callable[[F], F]:
    """The promise is about resources that have these verbs, and of whose contract the condition holds."""
    return _about(lambda contract: all(verb in contract.face.routes for verb in verbs) and if_(contract))


def each(names: str, cases: Callable[[Any], Sequence[Any]]) -> Callable[[F], F]:
    """The promise is one about each of the cases of the contract: the values of these parameters of the test."""

    def add(test: F) -> F:
        test.__dict__.setdefault("cases", {})[names] = cases
        return _about(cases)(test)

    return add


def committed(test: F) -> F:
    """The promise is tried over a database that really commits."""
    test.__dict__["commits"] = True
    return test


def _about(holds: Callable[[Any], object]) -> Callable[[F], F]:
    def add(test: F) -> F:
        test.__dict__.setdefault("conditions", []).append(holds)
        return test

    return add


class Tried:
    """The base of what is tried on a stage, of one resource."""

    resource: ClassVar[type[Repository[Any]]]
    """The repository whose contract it is."""
    roles: ClassVar[Sequence[str]]
    """The roles to try beside the administrator's. Unless given: those that the policy allows something, and those of
    the parent.
    """
    parent: ClassVar["type[Tried] | None"] = None
    acts: ClassVar[Mapping[str, Act]] = {}
    """The writes beside the verbs, by the names of their methods."""
    face: ClassVar[Face]
    stage: Stage

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, test in list(vars(cls).items()):
            if name.startswith("test_") and callable(test):
                setattr(cls, name, _telling(test))
        if hasattr(cls, "resource"):
            cls.face = Face(cls.resource)
            cls.roles = getattr(cls, "roles", sorted({*cls.face.roles, *(cls.parent.roles if cls.parent else ())}))
            methods = inspect.getmembers(cls, inspect.isfunction)
            cls.acts = {name: method.__dict__["act"] for name, method in methods if "act" in method.__dict__}
            for name, test in methods:
                if not all(holds(cls) for holds in getattr(test, "conditions", ())):
                    setattr(cls, name, None)

    async def set_up(self, stage: Stage) -> None:
        """Before each test."""
        self.stage = stage

    @classmethod
    def cases(cls, test: Any) -> dict[str, Sequence[Any]]:
        """The values of its parameters that a test is run with."""
        return {names: cases(cls) for names, cases in getattr(test, "cases", {}).items()}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for each case."""
        for names, cases in self.cases(metafunc.function).items():
            metafunc.parametrize(names, cases)

    @pytest.fixture
    def over_one_that_forgets(self, app, application, database) -> Stage:
        return Stage(app, application)

    @pytest.fixture(scope="class")
    @classmethod
    async def over_one_that_commits(cls, settings) -> AsyncIterator[Stage]:
        async with committing(settings) as stage:
            yield stage

    @pytest.fixture
    def chosen_stage(self, request: pytest.FixtureRequest) -> Iterator[Stage]:
        commits = getattr(request.function, "commits", False)
        stage: Stage = request.getfixturevalue("over_one_that_commits" if commits else "over_one_that_forgets")
        with stage.with_factories():
            yield stage

    @pytest.fixture(autouse=True)
    async def _set_up(self, chosen_stage: Stage) -> None:
        await self.set_up(chosen_stage)


def _telling(test: Callable[..., Any]) -> Callable[..., Any]:
    """The test, whose failure says what is promised of which resource."""

    @functools.wraps(test)
    async def told(self: Tried, *args: Any, **values: Any) -> None:
        try:
            await test(self, *args, **values)
        except Exception as error:
            error.add_note(f"Promised of {self.face.table.name}: {inspect.getdoc(test)}")
            raise

    return told
