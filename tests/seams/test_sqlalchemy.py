"""What we rely on and SQLAlchemy does not promise: its compiler's parameters, and a dialect that leaves transactions
to us.
"""

import asyncio
from enum import StrEnum
from uuid import UUID

import pytest
from psycopg.adapt import PyFormat
from psycopg.pq import TransactionStatus
from sqlalchemy import DateTime, Numeric, Text, bindparam, create_engine, inspect, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import NullType, TypeDecorator
from sqlmodel import UTCDateTime

from shared.rows import TransactionId, choice
from shared.wire import connect
from shared.wire.connection import connector
from shared.wire.orm import session_on
from shared.wire.statements import Statement
from shared.wire.wire import Wire
from tests.seams.sentences import relied_on

STATEMENTS, ORM, RECORDS = "shared/wire/statements.py", "shared/wire/orm.py", "shared/rows/frozen_rows.py"


class Size(StrEnum):
    SMALL = "s"
    LARGE = "l"


@pytest.fixture
async def connection(settings):
    connection = await connector(settings)()
    yield connection
    connection.pgconn.finish()


@pytest.fixture
async def wire(connection):
    wire = Wire(connection)
    yield wire
    wire.unplug()


class TestTheCompiler:
    def test_numbers_the_parameters_in_the_order_of_positiontup(self):
        """The text is not in the order in which they are written, and has some of them twice."""
        with relied_on("SQLAlchemy", "how it numbers `numeric_dollar` parameters", STATEMENTS):
            a, b = bindparam("a", type_=Text), bindparam("b", type_=Text)
            inner = select(b.label("x")).cte("inner_")
            statement = Statement(select(a, inner.c.x, a).where(a == b))
            assert sorted(statement._names) == ["a", "b"]
            for place, name in enumerate(statement._names, 1):
                assert statement.text.decode().count(f"${place}") == {"a": 3, "b": 2}[name]
            assert statement.arguments({"a": 1, "b": 2}) == [{"a": 1, "b": 2}[name] for name in statement._names]

    async def test_has_each_value_where_it_was_written(self, wire):
        with relied_on("SQLAlchemy", "how it numbers `numeric_dollar` parameters", STATEMENTS):
            a, b = bindparam("a", type_=Text), bindparam("b", type_=Text)
            inner = select(b.label("x"), literal("c").label("y")).cte("inner_")
            statement = Statement(select(a, inner.c.x, inner.c.y, a, literal("d"), b))
            (row,) = await wire.rows(statement, {"a": "1", "b": "2"})
            assert row == ("1", "2", "c", "1", "d", "2")

    def test_says_of_each_parameter_whether_it_has_a_value(self):
        with relied_on("SQLAlchemy", "what it says of a statement's parameters", STATEMENTS):
            statement = Statement(select(bindparam("a"), bindparam("b", None), literal("c")))
            assert statement.arguments({"a": 1}) == [1, None, "c"]
            with pytest.raises(KeyError):
                statement.arguments({})

    def test_says_of_each_parameter_its_type(self):
        with relied_on("SQLAlchemy", "what it says of a parameter's type", STATEMENTS):
            types = UTCDateTime(), DateTime(timezone=True), choice(Size)
            statement = Statement(select(*(bindparam(f"p{n}", type_=kind) for n, kind in enumerate(types))))
            assert statement.formats == [PyFormat.BINARY, PyFormat.BINARY, PyFormat.TEXT]


class TestAType:
    def test_of_ours_has_the_plain_one_in_impl(self):
        with relied_on("SQLAlchemy", "where a TypeDecorator keeps its plain type", STATEMENTS):
            assert isinstance(UTCDateTime(), TypeDecorator)
            assert isinstance(UTCDateTime().impl, DateTime)

    def test_turns_a_value_into_what_is_sent_and_back(self):
        """And leaves what psycopg does itself to psycopg."""
        with relied_on("SQLAlchemy", "how a type treats values", STATEMENTS, RECORDS):
            dialect = PGDialect_psycopg()
            kind = choice(Size).dialect_impl(dialect)
            assert kind.bind_processor(dialect)(Size.SMALL) == "s"
            assert kind.result_processor(dialect, None)("l") is Size.LARGE
            assert Statement(select(literal(Size.SMALL, choice(Size)))).arguments({}) == ["s"]
            (sent,) = Statement(select(literal(UUID(int=1)))).arguments({})
            assert UUID(str(sent)) == UUID(int=1)

    def test_of_numbers_needs_to_know_postgresqls(self):
        with relied_on("SQLAlchemy", "that `result_processor` of a Numeric looks at the number of the type", RECORDS):
            dialect = PGDialect_psycopg()
            kind = Numeric(12, 2).dialect_impl(dialect)
            assert kind.result_processor(dialect, 1700) is None  # Psycopg makes a Decimal of it.
            with pytest.raises(TypeError):
                kind.result_processor(dialect, None)

    def test_that_is_json_is_sent_as_text_and_a_text_is_json_already(self):
        sent = bindparam("sent", type_=JSONB(none_as_null=True))
        statement = Statement(select(sent, literal({"a": "é"}, JSONB())))
        for value, text_ in (({"b": 1}, '{"b": 1}'), ([None], "[null]"), ('{"b":1}', '{"b":1}'), (None, None)):
            assert sorted(map(str, statement.arguments({"sent": value}))) == sorted([str(text_), '{"a": "é"}'])

    def test_that_is_unknown_is_reflected_by_its_name_in_ischema_names(self, settings):
        with relied_on("SQLAlchemy", "how it knows the types that it finds", "app/migrations/differences.py"):
            engine = create_engine("postgresql+psycopg://", creator=lambda: connect(settings.database_url, "seams"))
            own = ischema_names.pop("xid8", None)
            try:
                with pytest.warns(SAWarning, match="xid8"):
                    assert isinstance(_type_of_xid(engine), NullType), "It knows the type now: let go of ischema_names."
                ischema_names["xid8"] = TransactionId
                assert isinstance(_type_of_xid(engine), TransactionId)
            finally:
                ischema_names.pop("xid8", None)
                if own is not None:
                    ischema_names["xid8"] = own
                engine.dispose()


def _type_of_xid(engine):
    return next(column["type"] for column in inspect(engine).get_columns("journal") if column["name"] == "xid")


class TestASession:
    """On a connection whose transaction is not its own."""

    async def test_neither_begins_nor_ends_the_transaction(self, connection):
        with relied_on("SQLAlchemy", "how a dialect begins and ends transactions", ORM):
            await connection.execute("BEGIN")
            before = await _transaction(connection)
            for _ in range(2):
                async with session_on(connection) as session:
                    await session.execute(text("SELECT 1"))
                    await session.rollback()
                    await session.execute(text("SELECT 1"))
                    await session.commit()
                    bound = await session.connection()
                    await bound.rollback()
                assert connection.info.transaction_status == TransactionStatus.INTRANS
                assert await _transaction(connection) == before

    async def test_commits_nothing_by_its_connection_either(self, connection):
        with relied_on("SQLAlchemy", "how a dialect ends transactions", ORM):
            await connection.execute("BEGIN")
            before = await _transaction(connection)
            async with session_on(connection) as session:
                await (await session.connection()).commit()
            assert await _transaction(connection) == before

    async def test_undoes_by_rollback_what_it_did_alone(self, connection):
        with relied_on("SQLAlchemy", "what a session's `create_savepoint` undoes", ORM):
            await connection.execute("BEGIN; CREATE TEMPORARY TABLE one (id int); INSERT INTO one VALUES (1)")
            async with session_on(connection) as session:
                await session.execute(text("INSERT INTO one VALUES (2)"))
                await session.rollback()
            assert await (await connection.execute("SELECT id FROM one")).fetchall() == [(1,)]

    async def test_tells_what_its_block_failed_with_when_the_connection_is_lost(self, settings, connection, caplog):
        """And nothing of the savepoint that cannot be rolled back any more."""

        async def fail():
            async with session_on(connection) as session:
                await session.execute(text("SELECT 1"))
                with connect(settings.database_url, "seams") as other:
                    other.execute("SELECT pg_terminate_backend(%s, 60000)", [connection.info.backend_pid])
                raise LookupError

        with relied_on("SQLAlchemy", "what it does with a connection that is lost", ORM):
            await connection.execute("BEGIN")
            with pytest.raises(LookupError):
                await fail()
            assert connection.closed
            assert not [record for record in caplog.records if record.exc_info]

    async def test_leaves_the_connection_open_and_as_it_was(self, connection, caplog):
        """Neither a handler of notices nor a prepared statement more."""
        with relied_on("SQLAlchemy", "what it does to a connection that it is given", ORM):
            await connection.execute("BEGIN")
            for _ in range(3):
                async with session_on(connection) as session:
                    await session.execute(text("SELECT 1"))
            caplog.set_level("INFO")
            await connection.execute("DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
            assert "heard" not in caplog.text
            assert not connection.closed
            assert await (await connection.execute("SELECT FROM pg_prepared_statements")).fetchall() == []

    async def test_has_the_connection_that_it_was_given(self, settings):
        """Also when others begin at the same time, on the one engine there is."""

        async def pids():
            connection = await connector(settings)()
            try:
                await connection.execute("BEGIN")
                async with session_on(connection) as session:
                    await asyncio.sleep(0)
                    found = await session.execute(text("SELECT pg_backend_pid()"))
                    return found.scalar_one(), connection.info.backend_pid
            finally:
                await connection.close()

        with relied_on("SQLAlchemy", "how it asks for a connection", ORM):
            found = await asyncio.gather(*(pids() for _ in range(5)))
            assert all(session == own for session, own in found)


async def _transaction(connection):
    return await (await connection.execute("SELECT pg_current_xact_id()")).fetchone()
