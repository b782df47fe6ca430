"""The kit is itself tested: a fault that is planted in the kernel is caught by the test that is there for it."""

import importlib
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest

from shared.manifest import discover
from tests.answers import unrecorded
from tests.conformance import ResourceContract
from tests.conformance.faults import FAULTS, Fault
from tests.conformance.promises import Promises
from tests.conformance.stages import Stage, committing, over


def contracts() -> list[type[ResourceContract]]:
    """Those of all modules."""
    modules = [importlib.import_module(f"modules.{module.name}.tests.test_contract") for module in discover()]
    found = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    return [kind for kind in found if issubclass(kind, ResourceContract) and kind is not ResourceContract]


def runs(test: str) -> Iterator[tuple[type[Promises], dict[str, Any]]]:
    """Each contract that has the test, with the values of its parameters."""
    for contract in contracts():
        function = getattr(contract, test, None)
        if function is None:
            continue
        cases = contract.cases(function)
        names = [name.strip() for several in cases for name in several.split(",")]
        for values in itertools.product(*cases.values()):
            flat = [one for several, value in zip(cases, values, strict=True) for one in _values(several, value)]
            yield contract, dict(zip(names, flat, strict=True))


def _values(names: str, value: Any) -> tuple[Any, ...]:
    return tuple(value) if "," in names else (value,)


@pytest.fixture
def kernel(app, application, settings):
    """Stages of applications. With a fault they are composed anew, so that they have the kernel as it is now."""

    @asynccontextmanager
    async def staged(test: str, *, planted: bool) -> AsyncIterator[Stage]:
        if any(getattr(getattr(contract, test, None), "commits", False) for contract in contracts()):
            async with committing(settings) as stage:
                yield stage
        elif planted:
            yield over(application.kernel.database(), settings)
        else:
            yield Stage(app, application)

    return staged


async def run(stage: Stage, fault: Fault, contract: type[Promises], values: dict[str, Any], *, planted: bool) -> None:
    """A test by itself, over a database that forgets it unless it has to commit."""
    promise = contract()
    with stage.with_factories(), unrecorded():
        commits = getattr(getattr(contract, fault.caught_by), "commits", False)
        async with nullcontext() if commits else stage.database.rolled_back():
            if planted and (statements := fault.sql(contract.face)):
                await stage.database.script(statements)
            await promise.set_up(stage)
            await getattr(promise, fault.caught_by)(**values)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
class TestAFault:
    async def test_is_caught_by_a_test_that_passes_without_it(self, kernel, monkeypatch, fault):
        """By its assertion, and not because the test itself breaks."""
        with monkeypatch.context() as patch:
            fault.plant(patch)
            async with kernel(fault.caught_by, planted=True) as stage:
                for contract, values in runs(fault.caught_by):
                    try:
                        await run(stage, fault, contract, values, planted=True)
                    except AssertionError:
                        break
                else:
                    pytest.fail(f"{fault.caught_by} does not see {fault.name}.")
        async with kernel(fault.caught_by, planted=False) as stage:
            await run(stage, fault, contract, values, planted=False)


class TestTheContracts:
    def test_are_those_of_all_resources(self):
        """A resource without a contract is one that nobody has proven."""
        declared = {resource for module in discover() for resource in module.resources}
        assert {contract.resource for contract in contracts()} == declared

    def test_have_no_tests_of_what_a_resource_lacks(self):
        """They are not there, since a skipped test tells of something that is missing."""
        lacking = [contract for contract in contracts() if "import" not in contract.face.routes]
        assert lacking, "Every resource has an import: look for another verb."
        for contract in lacking:
            assert ResourceContract.test_an_import_with_a_bad_line_writes_nothing is not None
            assert contract.test_an_import_with_a_bad_line_writes_nothing is None
