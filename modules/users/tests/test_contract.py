"""What the wire contract promises of accounts."""

from typing import Any

from sqlalchemy import update

from modules.users.models import Role, User
from modules.users.repository import UserRepository
from modules.users.tests.factories import UserFactory
from shared.rows import OWNER, table_of
from tests.callers import Caller
from tests.conformance import ResourceContract


class TestUsers(ResourceContract):
    """Whose routes by id are for administrators."""

    resource = UserRepository
    factory = UserFactory

    async def context(self, owner: Caller) -> dict[str, Any]:
        return {}

    async def _apart(self, column: str) -> dict[str, Any]:
        return {column: (await self.outsider()).id}

    async def actor(self, role: str, row: User) -> Caller:
        """An account is itself; whoever deleted it has no session, so another one calls in its place."""
        if role == OWNER:
            owner = await self.stage.sign_in()
            users = table_of(User)
            async with self.stage.database.unit_of_work() as unit, unit.orm() as session:
                await session.execute(update(users).where(users.c.id == row.id).values(owner_id=owner.id))
            return owner
        return await self.stage.sign_in(row if row.deleted_at is None else None)

    async def dispossess(self, caller: Caller, row: User) -> None:
        users = table_of(User)
        await self.stage.database.sql(update(users).where(users.c.id == caller.id).values(role=Role.USER))
