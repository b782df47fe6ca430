"""What shared/wire relies on and psycopg does not promise: its transformers, its waiting, and libpq through `pq`."""

import random
import tracemalloc
from datetime import UTC, datetime
from select import select as wait_for
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncRawServerCursor, OperationalError, waiting
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import UniqueViolation, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy import Text, bindparam, select

from shared.wire.connection import PostgresConnection, connector
from shared.wire.statements import Statement
from shared.wire.wire import Wire
from tests.patience import PATIENCE
from tests.seams.sentences import relied_on

LINK, WIRE, CONNECTION = "shared/wire/link.py", "shared/wire/wire.py", "shared/wire/connection.py"
SHAPES = [
    (b"SELECT 'a', 1, true, NULL", [("a", 1, True, None)]),
    (b"SELECT 1 WHERE false", []),
    (b"SELECT", [()]),
    (b"SET LOCAL timezone = 'UTC'", []),
    (b"SELECT generate_series(1, 3), NULL", [(1, None), (2, None), (3, None)]),
    (b"SELECT '{\"a\": 1}'::json, '{\"a\": 1}'::jsonb", [(b'{"a": 1}', {"a": 1})]),
    (b"SELECT '00000000-0000-0000-0000-000000000001'::uuid", [(UUID(int=1),)]),
    (b"SELECT '{1,2}'::int[], '{a,NULL}'::text[]", [([1, 2], ["a", None])]),
    (b"SELECT '2026-01-01T00:00:00Z'::timestamptz", [(datetime(2026, 1, 1, tzinfo=UTC),)]),
]
"""Statements whose results have columns of different numbers and types, and the rows of each."""


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


@pytest.fixture
def libpq(connection):
    return connection.pgconn


def next_result(libpq):
    """What libpq gives next, as the link gets it."""
    while libpq.flush() or libpq.is_busy():
        assert wait_for([libpq.socket], [], [], PATIENCE)[0]
        libpq.consume_input()
    return libpq.get_result()


def answer(libpq):
    """The result of one statement, which ends with NULL."""
    result = next_result(libpq)
    assert next_result(libpq) is None
    return result


def executed(libpq, statement):
    libpq.send_query(statement)
    return answer(libpq)


def read_to_the_end(libpq):
    while True:
        libpq.consume_input()


def in_pipeline(libpq, *statements):
    """The states of what comes until the pipeline's end; None for NULL."""
    libpq.enter_pipeline_mode()
    for statement in statements:
        libpq.send_query_params(statement, None)
    libpq.pipeline_sync()
    states: list[ExecStatus | None] = []
    while not states or states[-1] != ExecStatus.PIPELINE_SYNC:
        result = next_result(libpq)
        states.append(result and result.status)
    libpq.exit_pipeline_mode()
    return states


class TestATransformer:
    """One serves a connection for life; psycopg makes one for each query. A new one costs 2 of a statement's 15 µs."""

    def test_gives_the_rows_of_10_000_results_of_different_shapes_and_does_not_grow(self, connection, libpq):
        with relied_on("psycopg", "what a Transformer keeps from one result to the next", WIRE):
            results = [(executed(libpq, statement), rows) for statement, rows in SHAPES]
            transformer, choice = Transformer(connection), random.Random(1)

            def load(count):
                for result, rows in choice.choices(results, k=count):
                    transformer.set_pgresult(result)
                    assert transformer.load_rows(0, result.ntuples, tuple) == rows

            tracemalloc.start()
            try:
                load(1000)
                before, _ = tracemalloc.get_traced_memory()
                load(10_000)
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert after - before < 10_000

    def test_gives_the_formats_of_the_values_that_it_dumped_last(self, connection):
        with relied_on("psycopg", "how a Transformer dumps values", WIRE):
            transformer: Any = Transformer(connection)
            for _ in range(3):
                sent = transformer.dump_sequence(
                    [1, None, datetime.now(UTC)], [PyFormat.TEXT, PyFormat.TEXT, PyFormat.BINARY]
                )
                assert [*sent[:2]] == [b"1", None]
                assert len(sent[2]) == 8
                assert [*transformer.formats] == [0, 0, 1]
                assert [*transformer.dump_sequence([UUID(int=1)], [PyFormat.TEXT])] == [b"0" * 31 + b"1"]
                assert [*transformer.formats] == [0]
                assert [*transformer.dump_sequence([], [])] == []

    def test_dumps_the_same_to_a_prepared_statement_whatever_the_value(self, connection, libpq):
        with relied_on("psycopg", "how a Transformer dumps whole numbers", WIRE):
            transformer = Transformer(connection)
            libpq.send_prepare(b"one", b"SELECT $1::int8")
            answer(libpq)
            for number in (0, 40_000, 1 << 40, -1):
                sent = transformer.dump_sequence([number], [PyFormat.TEXT])
                libpq.send_query_prepared(b"one", sent, transformer.formats)
                assert answer(libpq).get_value(0, 0) == b"%d" % number


class TestLibpq:
    def test_ends_the_answer_to_a_statement_with_null(self, libpq):
        with relied_on("psycopg", "how libpq tells of an answer", LINK):
            libpq.send_query(b"SELECT 1; SELECT 2")
            assert libpq.transaction_status == TransactionStatus.ACTIVE
            assert [next_result(libpq).get_value(0, 0) for _ in range(2)] == [b"1", b"2"]
            assert libpq.transaction_status == TransactionStatus.ACTIVE
            assert next_result(libpq) is None
            assert libpq.transaction_status == TransactionStatus.IDLE

    def test_forgets_a_prepared_statement_that_is_closed(self, libpq):
        with relied_on("psycopg", "how a prepared statement is closed", WIRE):
            libpq.send_prepare(b"one", b"SELECT 1")
            assert answer(libpq).status == ExecStatus.COMMAND_OK
            libpq.send_close_prepared(b"one")
            answer(libpq)
            assert executed(libpq, b"SELECT * FROM pg_prepared_statements").ntuples == 0

    def test_tells_that_the_connection_has_ended_when_it_reads(self, settings, libpq):
        with relied_on("psycopg", "how libpq tells that a connection has ended", LINK):
            with psycopg.connect(settings.database_url) as other:
                other.execute("SELECT pg_terminate_backend(%s, %s)", [libpq.backend_pid, PATIENCE * 1000])
            assert libpq.status == ConnStatus.OK
            with pytest.raises(OperationalError):
                read_to_the_end(libpq)
            assert libpq.status == ConnStatus.BAD

    def test_has_no_socket_when_it_is_finished(self, libpq):
        with relied_on("psycopg", "what `finish` does", LINK, CONNECTION):
            for _ in range(2):
                libpq.finish()
            assert libpq.status == ConnStatus.BAD
            with pytest.raises(OperationalError):
                _ = libpq.socket


class TestAPipeline:
    OK, ERROR, ABORTED = ExecStatus.TUPLES_OK, ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED

    def test_gives_null_after_each_result_and_the_sync_at_its_end(self, libpq):
        with relied_on("psycopg", "what a pipeline answers", LINK):
            assert in_pipeline(libpq, b"SELECT 1", b"SELECT 2") == [*[self.OK, None] * 2, ExecStatus.PIPELINE_SYNC]

    def test_executes_nothing_after_an_error_and_leaves_the_connection_usable(self, libpq):
        with relied_on("psycopg", "what a pipeline answers after an error", LINK):
            states = in_pipeline(libpq, b"SELECT 1", b"SELECT 1/0", b"SELECT 2", b"SELECT 3")
            assert states == [self.OK, None, self.ERROR, None, *[self.ABORTED, None] * 2, ExecStatus.PIPELINE_SYNC]
            assert libpq.transaction_status == TransactionStatus.IDLE
            assert executed(libpq, b"SELECT 4").get_value(0, 0) == b"4"
            assert in_pipeline(libpq, b"SELECT 5") == [self.OK, None, ExecStatus.PIPELINE_SYNC]

    def test_does_not_commit_after_an_error(self, libpq):
        with relied_on("psycopg", "what becomes of a COMMIT after an error in a pipeline", LINK, WIRE):
            assert in_pipeline(libpq, b"BEGIN", b"SELECT 1/0", b"COMMIT")[2:6] == [self.ERROR, None, self.ABORTED, None]
            assert libpq.transaction_status == TransactionStatus.INERROR

    def test_takes_no_simple_query(self, libpq):
        with relied_on("psycopg", "what a pipeline takes", WIRE):
            libpq.enter_pipeline_mode()
            with pytest.raises(OperationalError):
                libpq.send_query(b"SELECT 1")


class TestAnError:
    def test_is_made_of_a_result_with_its_class_and_diagnostics(self, libpq):
        with relied_on("psycopg", "how `error_from_result` makes an error", LINK, "shared/wire/refusals.py"):
            executed(libpq, b"CREATE TEMPORARY TABLE one (id int CONSTRAINT only_one PRIMARY KEY)")
            error = error_from_result(executed(libpq, b"INSERT INTO one VALUES (1), (1)"), "utf-8")
            assert isinstance(error, UniqueViolation)
            assert (error.sqlstate, error.diag.constraint_name) == ("23505", "only_one")
            assert str(error.diag.message_primary) in str(error)

    def test_that_libpq_reports_itself_is_of_no_special_class(self, libpq):
        with relied_on("psycopg", "the class of an error without SQLSTATE", "shared/wire/refusals.py"):
            error = error_from_result(libpq.make_empty_result(ExecStatus.FATAL_ERROR), "utf-8")
            assert type(error) is psycopg.DatabaseError
            assert error.sqlstate is None


class WatchedConnection(PostgresConnection):
    waits = 0
    depth = 0

    async def wait(self, *args, **options):
        self.waits += 1
        self.depth += 1
        try:
            return await super().wait(*args, **options)
        finally:
            self.depth -= 1


async def used_in_every_way(connection):
    """Cursors, transactions and what SQLAlchemy's session does with a connection."""
    async with connection.transaction(), AsyncRawServerCursor(connection, "one") as cursor:
        await cursor.execute("SELECT generate_series(1, 3)")
        assert await cursor.fetchmany(2) == [(1,), (2,)]
    async with connection.cursor() as cursor:
        await cursor.executemany("SELECT %s", [(1,), (2,)], returning=True)
        async with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            assert [bytes(part) async for part in copy] == [b"1\n"]
    await connection.execute("BEGIN")
    await connection.rollback()
    await connection.execute("BEGIN")
    await connection.commit()


class TestWaiting:
    async def test_for_the_server_goes_through_wait_and_no_other_way(self, settings, monkeypatch):
        """A deadline holds there, and only there."""
        ways = [name for name in vars(waiting) if name.startswith("wait")]
        outside = []

        def watched(name: str, wait: Any, connection: WatchedConnection) -> Any:
            async def waits(*args, **options):
                if not connection.depth:
                    outside.append(name)
                return await wait(*args, **options)

            def blocks(*args, **options):
                outside.append(name)
                return wait(*args, **options)

            return waits if name == "wait_async" else blocks

        with relied_on("psycopg", "how it waits for the server", CONNECTION):
            connection: Any = await WatchedConnection.connect(settings.database_url, autocommit=True)
            for name in ways:
                monkeypatch.setattr(waiting, name, watched(name, getattr(waiting, name), connection))
            try:
                await used_in_every_way(connection)
            finally:
                await connection.close()
            assert outside == []
            assert connection.waits >= 10

    async def test_ends_when_the_socket_is_shut_down(self, connection):
        with relied_on("psycopg", "how it notices that its socket was shut down", CONNECTION):
            connection.deadline_seconds = 0.05
            with pytest.raises(OperationalError):
                await connection.execute("SELECT pg_sleep(3600)")
            assert connection.closed


class TestPsycopgItself:
    async def test_leaves_the_statements_that_the_wire_has_prepared(self, connection, wire):
        """Even after a rollback: it was told to prepare none itself."""
        with relied_on("psycopg", "what it deallocates", CONNECTION, WIRE):
            statement = Statement(select(bindparam("a", type_=Text)))
            for _ in range(8):
                assert await wire.rows(statement, {"a": "a"}) == [("a",)]
                wire.unplug()
                for _ in range(8):
                    await connection.execute("SELECT 1")
                await connection.execute("BEGIN")
                await connection.rollback()
