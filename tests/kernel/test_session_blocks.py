"""Blocks of SQLModel's session in a unit of work, on a database that really commits."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import MetaData, NullPool, bindparam, create_engine, func, select, table, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import selectinload
from sqlmodel import Field, Relationship, SQLModel, col

from modules.tags.models import Tag
from modules.users.models import User
from modules.users.tests.factories import UserFactory
from shared.errors import Conflict, Invalid
from shared.rows import INCLUDE_DELETED, choice
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.database import OTHER_CLIENTS, clone
from tests.patience import PATIENCE


class Harbour(SQLModel):
    """Tables of these tests alone, in a metadata of their own."""

    metadata = MetaData()


class Rig(StrEnum):
    SLOOP = "sloop"
    KETCH = "ketch"


LAZY = {"lazy": "raise"}


class Pier(Harbour, table=True):
    __tablename__ = "block_piers"
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(unique=True)
    boats: list["Boat"] = Relationship(back_populates="pier", sa_relationship_kwargs=LAZY)


class Boat(Harbour, table=True):
    __tablename__ = "block_boats"
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    pier_id: UUID | None = Field(default=None, foreign_key="block_piers.id")
    rig: Rig = Field(default=Rig.SLOOP, sa_type=choice(Rig))
    log: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    launched_at: datetime | None = None
    built_on: date | None = None
    price: Decimal | None = None
    pier: Pier | None = Relationship(back_populates="boats", sa_relationship_kwargs=LAZY)


BOATS: Any = Pier.boats
PIER: Any = Boat.pier
ADD = Statement(insert(Pier).values(id=bindparam("id"), name=bindparam("name")))
NAMES = Statement(select(col(Pier.name)).order_by(col(Pier.name)))
FREES = Statement(update(Pier).values(name=func.upper(col(Pier.name))))


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
        Harbour.metadata.create_all(engine)
        yield url


@pytest.fixture
def sql(url):
    """Executes on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE block_piers, block_boats, users CASCADE")
        yield connection.execute


@pytest.fixture
def kept(sql):
    """The names of the piers that are committed."""
    return lambda: [name for (name,) in sql("SELECT name FROM block_piers ORDER BY name")]


@pytest.fixture
async def real(settings, url, sql) -> AsyncIterator[Database]:
    database = Database(settings.model_copy(update={"database_url": url, "pool_size": 1}))
    yield database
    await database.close()


async def names(unit) -> list[str]:
    """Of the piers, as a statement of the unit finds them."""
    return [name for (name,) in await unit.execute(NAMES, {})]


class TestABlockOfTheSession:
    async def test_begins_with_no_rows_of_an_earlier_block(self, real):
        async with real.unit_of_work() as unit:
            async with unit.orm() as session:
                session.add(first := Pier(name="north"))
            await unit.execute(FREES, {})
            async with unit.orm() as session:
                assert not [*session]
                found = await session.get(Pier, first.id)
                assert found is not first
                assert (first.name, found.name) == ("north", "NORTH")

    async def test_sees_what_statements_did_before_and_is_seen_by_those_after(self, real, kept):
        async with real.unit_of_work() as unit:
            await unit.execute(ADD, {"id": uuid4(), "name": "a"})
            async with unit.orm() as session:
                assert (await session.scalars(select(col(Pier.name)))).all() == ["a"]
                await session.execute(insert(Pier).values(id=uuid4(), name="b"))
            assert await names(unit) == ["a", "b"]
            assert kept() == []
        assert kept() == ["a", "b"]

    async def test_is_flushed_at_its_end(self, real, kept):
        async with real.unit_of_work() as unit:
            async with unit.orm() as session:
                session.add(pier := Pier(name="a"))
                pier.boats = [Boat(), Boat()]
            assert await names(unit) == ["a"]
            async with unit.orm() as session:
                (await session.get(Pier, pier.id)).name = "b"
            assert await names(unit) == ["b"]
        assert kept() == ["b"]

    async def test_leaves_rows_that_can_still_be_read(self, real):
        """What the database gave them, they have: nothing expires."""
        async with real.unit_of_work() as unit, unit.orm() as session:
            session.add(boat := Boat(log={"miles": 3}))
        assert (boat.rig, boat.log, boat.pier_id) == (Rig.SLOOP, {"miles": 3}, None)

    async def test_is_refused_with_the_domain_error_and_all_can_be_taken_back(self, real, kept):
        async def write() -> None:
            async with real.unit_of_work() as unit:
                await unit.execute(ADD, {"id": uuid4(), "name": "a"})
                async with unit.orm() as session:
                    session.add(Pier(name="b"))
                    await session.flush()
                    session.add(Pier(name="a"))
                    await session.flush()

        with pytest.raises(Conflict):
            await write()
        assert kept() == []
        assert real.write_lane.in_use == 0
        async with real.unit_of_work() as unit:
            assert await names(unit) == []

    async def test_is_refused_at_its_end_with_the_domain_error(self, real, kept):
        """When it is flushed."""
        with pytest.raises(Conflict):
            async with real.unit_of_work() as unit, unit.orm() as session:
                session.add_all([Pier(name="a"), Pier(name="a")])
        assert kept() == []

    async def test_that_was_refused_is_undone_alone_where_the_unit_goes_on(self, real, kept):
        async with real.unit_of_work() as unit:
            await unit.execute(ADD, {"id": uuid4(), "name": "a"})
            with suppress(Conflict):
                async with unit.orm() as session:
                    session.add(Pier(name="b"))
                    await session.flush()
                    session.add(Pier(name="a"))
            assert await names(unit) == ["a"]
            async with unit.orm() as session:
                session.add(Pier(name="c"))
        assert kept() == ["a", "c"]

    async def test_that_fails_by_itself_is_undone_alone_where_the_unit_goes_on(self, real, kept):
        async with real.unit_of_work() as unit:
            with suppress(ZeroDivisionError):
                async with unit.orm() as session:
                    session.add(Pier(name="a"))
                    await session.flush()
                    raise ZeroDivisionError
            await unit.execute(ADD, {"id": uuid4(), "name": "b"})
        assert kept() == ["b"]

    async def test_rolls_back_what_it_did_and_no_more(self, real, kept):
        async with real.unit_of_work() as unit:
            await unit.execute(ADD, {"id": uuid4(), "name": "a"})
            async with unit.orm() as session:
                session.add(Pier(name="b"))
                await session.flush()
                await session.rollback()
                session.add(Pier(name="c"))
            assert await names(unit) == ["a", "c"]
        assert kept() == ["a", "c"]

    async def test_that_commits_keeps_nothing_by_itself(self, real, kept):
        """It ends its savepoint; what is kept, the unit decides."""
        with suppress(ZeroDivisionError):
            async with real.unit_of_work() as unit, unit.orm() as session:
                session.add(Pier(name="a"))
                await session.commit()
                session.add(Pier(name="b"))
                await session.commit()
                raise ZeroDivisionError
        assert kept() == []

    async def test_has_the_connection_to_itself(self, real):
        """A statement by another way is a fault of the code, and told at once."""
        async with real.unit_of_work() as unit:
            for _ in range(2):
                async with unit.orm() as session:
                    with pytest.raises(RuntimeError, match="block of the session is open"):
                        await unit.execute(NAMES, {})
                    with pytest.raises(RuntimeError, match="block of the session is open"):
                        await unit.command("SELECT 1")
                    with pytest.raises(RuntimeError, match="block of the session is open"):
                        async with unit.savepoint():
                            pass
                    with pytest.raises(RuntimeError, match="block of the session is open"):
                        async with unit.orm():
                            pass
                    assert await session.scalar(text("SELECT 1")) == 1
                assert await names(unit) == []

    async def test_that_failed_leaves_the_connection_to_statements(self, real):
        async with real.unit_of_work() as unit:
            with suppress(Invalid):
                async with unit.orm() as session:
                    await session.execute(text("SELECT 1 / 0"))
            assert await names(unit) == []

    async def test_whose_connection_was_lost_tells_what_it_failed_with(self, real, sql):
        """And not that the savepoint could not be rolled back any more."""

        async def fail() -> None:
            async with real.unit_of_work() as unit, unit.orm() as session:
                await session.execute(text("SELECT 1"))
                sql(f"SELECT pg_terminate_backend(pid, {PATIENCE * 1000}) {OTHER_CLIENTS}")
                raise Conflict

        for _ in range(3):
            with pytest.raises(Conflict):
                await fail()
            assert real.write_lane.in_use == 0
        async with real.unit_of_work() as unit:
            assert await names(unit) == []

    async def test_in_a_dry_run_is_checked_and_not_kept(self, real, kept):
        async with real.unit_of_work(dry_run=True) as unit, unit.orm() as session:
            session.add(Pier(name="a"))
        assert kept() == []

    async def test_after_block_on_one_connection_prepares_nothing(self, real):
        """Else the wire's statements would be deallocated with psycopg's, or fill the server's memory."""
        count = Statement(select(func.count()).select_from(table("pg_prepared_statements")))
        counts = set()
        for _ in range(10):
            async with real.unit_of_work() as unit:
                async with unit.orm() as session:
                    (await session.scalars(select(Pier).where(col(Pier.name) == "x"))).all()
                    await session.rollback()
                counts |= {*await unit.execute(count, {})}
        assert len(counts) == 1


class TestInABlockOfTheSession:
    @pytest.fixture
    async def owner(self, real) -> User:
        async with real.unit_of_work() as unit, unit.orm() as session:
            session.add(owner := UserFactory.build())
        return owner

    async def test_deleted_rows_are_hidden_unless_they_are_asked_for(self, real, owner):
        deleted: dict[str, Any] = {"deleted_at": datetime.now(UTC), "deletion_id": uuid4()}
        async with real.unit_of_work() as unit:
            async with unit.orm() as session:
                for slug, columns in (("live", {}), ("gone", deleted)):
                    session.add(Tag(owner_id=owner.id, name=slug, slug=slug, color="#000000", **columns))
            tags = select(Tag).order_by(col(Tag.slug))
            async with unit.orm() as session:
                assert [tag.slug for tag in await session.scalars(tags)] == ["live"]
                every = await session.scalars(tags, execution_options=INCLUDE_DELETED)
                assert [tag.slug for tag in every] == ["gone", "live"]

    async def test_a_relationship_is_loaded_when_it_is_asked_for_and_never_by_itself(self, real):
        async with real.unit_of_work() as unit:
            async with unit.orm() as session:
                session.add(pier := Pier(name="a", boats=[Boat(rig=Rig.KETCH), Boat(rig=Rig.KETCH)]))
            async with unit.orm() as session:
                found = await session.get(Pier, pier.id)
                with pytest.raises(InvalidRequestError, match="lazy"):
                    _ = found.boats
            async with unit.orm() as session:
                (found,) = await session.scalars(select(Pier).options(selectinload(BOATS)))
                assert [boat.rig for boat in found.boats] == [Rig.KETCH] * 2
                (boat, _) = await session.scalars(select(Boat).options(selectinload(PIER)))
                assert boat.pier is found
        assert len(found.boats) == 2

    async def test_values_of_every_kind_go_in_and_out(self, real, sql):
        values: dict[str, Any] = {
            "id": uuid4(),
            "rig": Rig.KETCH,
            "log": {"crew": ["Zoë", None, 1.5], "nested": {"\\": "'"}},
            "launched_at": datetime(2026, 2, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            "built_on": date(2026, 2, 1),
            "price": Decimal("12.3400"),
        }
        async with real.unit_of_work() as unit:
            async with unit.orm() as session:
                session.add(Boat(**values))
            async with unit.orm() as session:
                found = (await session.scalars(select(Boat).where(col(Boat.log)["crew"][0].astext == "Zoë"))).one()
                assert {name: getattr(found, name) for name in values} == values
                assert isinstance(found.rig, Rig)
                found.log = {**found.log, "more": True}
                found.rig = Rig.SLOOP
        assert sql("SELECT rig, log ->> 'more' FROM block_boats").fetchall() == [("sloop", "true")]
