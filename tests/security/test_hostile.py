"""Hostile inputs in every parameter: whatever is in one, the answer is no 5xx, and the document describes it.

A few values each here, all of them by `make security`. That what is accepted is read again as it was sent is a promise
of every resource: tests/conformance/hostile.py.
"""

import os
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.described import OPERATIONS, Operation
from tests.security.corpus import TEXTS
from tests.security.hostile import places, sent
from tests.security.world import World, key_of

pytestmark = pytest.mark.needs("projects")

FEW = 2
"""Values of the corpus for each parameter, other ones for each."""
IS_WHOLE = os.environ.get("SECURITY") == "whole"


@pytest.fixture(scope="module")
async def world(app: Any, application: Any) -> AsyncIterator[World]:
    """Made once: what the requests change is forgotten."""
    async with application.kernel.database().rolled_back():
        yield await World.made(app, application)


def test_the_corpus_has_400_texts() -> None:
    assert len(TEXTS) >= 400


@pytest.mark.parametrize("operation", OPERATIONS, ids=key_of)
async def test_no_value_of_a_parameter_is_answered_with_a_5xx(
    world: World, operation: Operation, record_property: Any
) -> None:
    asked, wrong = 0, []
    database: Any = world.application.kernel.database()
    actor = "admin" if operation.path.removeprefix("/api/v1/").partition("/")[0] in {"users", "journal"} else "owner"
    for place in places(operation):
        corpus, first = place.corpus, zlib.crc32(f"{operation}{place.name}".encode())
        chosen = corpus if IS_WHOLE else [corpus[(first + 101 * n) % len(corpus)] for n in range(FEW)]
        for value in chosen:
            async with database.forgetting():
                answer = await sent(world, actor, operation, place, value)
            if answer is not None:
                asked += 1
                if answer.status_code >= 500:
                    wrong.append((place, value[:80], answer.status_code, answer.text))
    record_property("figure", f"{asked} requests with hostile values: {len(wrong)} answered by a server error")
    assert wrong == []
