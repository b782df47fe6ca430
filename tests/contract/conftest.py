"""Who calls in the tests of the contract."""

from collections.abc import Awaitable, Callable

import pytest

from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann", email="ann@example.com")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob", email="bob@example.com")


@pytest.fixture
async def admin(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Zoe", email="zoe@example.com", role="admin")
