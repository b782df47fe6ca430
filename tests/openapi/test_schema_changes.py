"""Planted changes of a schema: each is called by its name and judged right, for requests and for answers."""

import pytest

from tests.openapi.differences import Change
from tests.openapi.fields import FIELDS
from tests.openapi.plants import contract_changes, planted


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.sentence)
class TestAFieldsChange:
    def planted(self, base, field, schema):
        return planted(base, field.change(f"{schema}.{field.where}"))

    def test_is_judged_in_requests(self, base, field):
        changed = self.planted(base, field, "PlantedWrite")
        there, back = (s.replace("S.", "PlantedWrite.") + " in requests of planted_put" for s in field[2::2])
        assert contract_changes(base, changed) == [Change(there, "requests" in field.breaks)]
        assert contract_changes(changed, base) == [Change(back, "requests" in field.breaks_in_reverse)]

    def test_is_judged_in_answers(self, base, field):
        changed = self.planted(base, field, "PlantedRead")
        there, back = (s.replace("S.", "PlantedRead.") + " in answers of planted_put" for s in field[2::2])
        assert contract_changes(base, changed) == [Change(there, "answers" in field.breaks)]
        assert contract_changes(changed, base) == [Change(back, "answers" in field.breaks_in_reverse)]
