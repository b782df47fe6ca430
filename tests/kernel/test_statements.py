"""Statements: what stands in their texts as a constant, and how long they may take."""

from enum import Enum

import pytest
from sqlalchemy import Enum as OneOf
from sqlalchemy import func, literal, select

from shared.wire import Database, Statement


class Light(Enum):
    """No text: psycopg would send the names of its members."""

    ON = "on"
    OFF = "off"


class TestAConstant:
    @pytest.mark.parametrize("light", Light)
    async def test_is_sent_as_its_type_keeps_it(self, database, light):
        kept = OneOf(Light, values_callable=lambda kind: [member.value for member in kind], native_enum=False)
        assert await database.read(Statement(select(literal(light, kept))), {}) == [(light.value,)]


class TestASession:
    async def test_ends_statements_and_transactions_that_wait_too_long(self, settings):
        """A transaction may idle for twice as long as a statement may take: who forgot it holds locks."""
        database = Database(settings.model_copy(update={"statement_seconds": 7}))
        names = ("statement_timeout", "idle_in_transaction_session_timeout")
        told = Statement(select(*(func.current_setting(name) for name in names)))
        try:
            assert await database.read(told, {}) == [("7s", "14s")]
            async with database.unit_of_work() as unit:
                assert await unit.execute(told, {}) == [("7s", "14s")]
        finally:
            await database.close()
