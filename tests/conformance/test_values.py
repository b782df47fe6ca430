"""The values that the kit makes up."""

from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.schemas import Email, Line, Text, Url
from tests.conformance.values import FORMATTED, samples, type_of


def takes(taken, value):
    """Whether an input's field of this type takes the value."""
    try:
        TypeAdapter(taken).validate_json(TypeAdapter(type(value)).dump_json(value))
    except ValidationError:
        return False
    return True


class TestOtherValues:
    @pytest.mark.parametrize(("stored", "taken"), [(str, Line), (str, Text), (str, Url), (str, Email), (UUID, UUID)])
    def test_are_there_for_a_field_whose_example_is_what_the_factory_makes(self, stored, taken):
        made_up = [*samples(stored, is_unique=False), *FORMATTED.get(type_of(stored), ())]
        assert any(takes(taken, value) for value in made_up)
