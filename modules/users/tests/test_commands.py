"""What operators may rely on: `trellis promote`."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from app.container import Application
from modules.users.errors import UserNotFound
from modules.users.service import UserService
from modules.users.tests.factories import UserFactory
from shared.writes import Change
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
def service(application: Application) -> UserService:
    service: UserService = application.containers["users"].service()
    return service


class TestPromote:
    @pytest.mark.parametrize("address", ["ann@example.com", "ANN@Example.com"], ids=["same", "other letter case"])
    async def test_makes_an_account_an_administrator(
        self, service: UserService, database: RolledBackDatabase, signed_in: SignIn, address: str
    ) -> None:
        ann, bob = await signed_in(email="ann@example.com"), await signed_in()
        async with database.unit_of_work() as unit:
            await service.promote(Change(unit), address)
        assert (await ann.get("/users/me")).json()["role"] == "admin"
        assert (await ann.get("/users")).status_code == 200
        assert (await bob.get("/users/me")).json()["role"] == "user"

    async def test_an_administrator_stays_one(
        self, service: UserService, database: RolledBackDatabase, signed_in: SignIn
    ) -> None:
        admin = await signed_in(email="admin@example.com", role="admin")
        async with database.unit_of_work() as unit:
            await service.promote(Change(unit), "admin@example.com")
        account = (await admin.get("/users/me")).json()
        assert (account["role"], account["version"]) == ("admin", 1)

    @pytest.mark.parametrize("address", ["nobody@example.com", "no-address", "", "%"])
    async def test_an_unknown_address_is_told(
        self, service: UserService, database: RolledBackDatabase, address: str
    ) -> None:
        await UserFactory.saved()
        with pytest.raises(UserNotFound):
            async with database.unit_of_work() as unit:
                await service.promote(Change(unit), address)

    async def test_a_deleted_account_cannot_be_promoted(
        self, service: UserService, database: RolledBackDatabase
    ) -> None:
        await UserFactory.saved(email="ann@example.com", deleted_at=datetime.now(UTC))
        with pytest.raises(UserNotFound):
            async with database.unit_of_work() as unit:
                await service.promote(Change(unit), "ann@example.com")
