"""Quotas, on a database that really commits: parallel changes pass none."""

import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import MetaData, bindparam, func, insert, select
from sqlmodel import Field, SQLModel

from shared.errors import Conflict
from shared.rows import table_of
from shared.settings import Settings
from shared.wire import Database, Statement
from shared.writes import Change, Quota
from tests.database import clone
from tests.patience import PATIENCE


class Apart(SQLModel):
    """Tables of these tests alone, in a metadata of their own."""

    metadata = MetaData()


class Key(Apart, table=True):
    __tablename__ = "quota_keys"

    id: UUID = Field(primary_key=True)
    account: UUID
    is_revoked: bool = False


class TooManyQuotaKeys(Conflict):
    """You have as many keys as one may."""


_keys = table_of(Key)
QUOTA = Quota(Key, "account", TooManyQuotaKeys, _keys.c.is_revoked.is_(False))
NEW = Statement(insert(_keys).values({name: bindparam(name) for name in ("id", "account", "is_revoked")}))
NUMBER = Statement(select(func.count()).select_from(_keys).where(_keys.c.account == bindparam("account")))


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE quota_keys (id uuid PRIMARY KEY, account uuid, is_revoked boolean)")
        yield url


@pytest.fixture
async def database(url):
    secret = SecretStr("a secret for tests, 32 bytes or more")
    database = Database(Settings(DATABASE_URL=url, secret=secret, pool_wait_seconds=PATIENCE))
    yield database
    await database.close()


async def add(database, account, *, most=3, is_revoked=False):
    """One more key. Raises TooManyQuotaKeys."""
    async with database.unit_of_work() as unit:
        await QUOTA.demand(Change(unit), account, most)
        await unit.execute(NEW, {"id": uuid4(), "account": account, "is_revoked": is_revoked})


async def number(database, account):
    ((found,),) = await database.read(NUMBER, {"account": account})
    return found


async def add_and_look(database, account, *, most=3):
    """The same, with the look behind it."""
    async with database.unit_of_work() as unit:
        await unit.execute(NEW, {"id": uuid4(), "account": account, "is_revoked": False})
        await QUOTA.demand(Change(unit), account, most, more=0)


class TestQuota:
    @pytest.mark.parametrize("add", [add, add_and_look])
    async def test_is_not_passed_by_parallel_changes(self, database, add):
        """Without the lock, each of them would see those that were there before all of them."""
        account = uuid4()
        outcomes = await asyncio.gather(*(add(database, account) for _ in range(8)), return_exceptions=True)
        assert await number(database, account) == 3
        assert [type(outcome) for outcome in outcomes if outcome is not None] == [TooManyQuotaKeys] * 5

    async def test_is_of_one_account(self, database):
        ann, bob = uuid4(), uuid4()
        for account in (ann, ann, ann, bob):
            await add(database, account)
        with pytest.raises(TooManyQuotaKeys):
            await add(database, ann)
        await add(database, bob)

    async def test_counts_only_what_takes_room(self, database):
        account = uuid4()
        for _ in range(4):
            await add(database, account, is_revoked=True)
        await add(database, account)
        assert await number(database, account) == 5

    async def test_asks_for_room_for_several_at_once(self, database):
        account = uuid4()
        async with database.unit_of_work() as unit:
            await QUOTA.demand(Change(unit), account, 3, more=3)
            with pytest.raises(TooManyQuotaKeys):
                await QUOTA.demand(Change(unit), account, 3, more=4)
