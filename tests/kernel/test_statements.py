"""Statements: what stands in their texts as a constant."""

from enum import Enum

import pytest
from sqlalchemy import Enum as OneOf
from sqlalchemy import literal, select

from shared.wire import Statement


class Light(Enum):
    """No text: psycopg would send the names of its members."""

    ON = "on"
    OFF = "off"


class TestAConstant:
    @pytest.mark.parametrize("light", Light)
    async def test_is_sent_as_its_type_keeps_it(self, database, light):
        kept = OneOf(Light, values_callable=lambda kind: [member.value for member in kind], native_enum=False)
        assert await database.read(Statement(select(literal(light, kept))), {}) == [(light.value,)]
