"""What shared/exact.py relies on and pydantic does not promise: the shape of its core schemas."""

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, create_model

from shared.schemas import Input, Instant
from tests.seams.sentences import relied_on

GOOD = "2026-12-31T12:00:00Z"


class Inner(Input):
    at: datetime


class OfDay(Input):
    kind: Literal["day"]
    at: datetime


class OfHour(Input):
    kind: Literal["hour"]
    at: datetime


class Tree(Input):
    at: datetime
    children: list["Tree"] = Field(default_factory=list)


FORMS = {
    datetime: lambda at: at,
    datetime | None: lambda at: at,
    Instant: lambda at: at,
    Annotated[datetime, Field(description="When.")]: lambda at: at,
    list[datetime]: lambda at: [at],
    dict[str, datetime | None]: lambda at: {"a": at},
    tuple[int, datetime]: lambda at: [1, at],
    Inner: lambda at: {"at": at},
    list[Inner] | None: lambda at: [{"at": at}],
    Annotated[OfDay | OfHour, Field(discriminator="kind")]: lambda at: {"kind": "hour", "at": at},
    Tree: lambda at: {"at": GOOD, "children": [{"at": at}]},
}
"""Where a schema may have an instant, and how its value is written."""


class TestACoreSchema:
    @pytest.mark.parametrize("form", FORMS, ids=lambda form: re.sub(r" at 0x\w+", "", str(form)))
    def test_has_each_datetime_where_it_is_found(self, form):
        with relied_on("pydantic", "how a core schema holds a `datetime`", "shared/exact.py"):
            schema = create_model("Schema", __base__=Input, value=(form, ...))
            schema.model_validate({"value": FORMS[form](GOOD)})
            for wrong in (1_700_000_000, "1700000000", "2026-12-31", "0001-01-01T00:00:00+01:00"):
                with pytest.raises(ValidationError):
                    schema.model_validate({"value": FORMS[form](wrong)})

    def test_has_the_words_of_the_json_schema_in_its_metadata(self):
        with relied_on("pydantic", "`pydantic_js_functions`", "shared/exact.py"):
            schema = create_model("Schema", __base__=Input, clock=(time | None, None), price=(list[Decimal], ...))
            declared = schema.model_json_schema()["properties"]
            assert declared["clock"]["anyOf"][0] == {"type": "string", "format": "time-local"}
            assert declared["price"]["items"]["format"] == "decimal"

    def test_has_a_default_and_dates_as_they_were(self):
        with relied_on("pydantic", "how a core schema holds a default", "shared/exact.py"):
            start = datetime(2026, 1, 1)  # noqa: DTZ001 (a default is not validated)
            schema = create_model("Schema", __base__=Input, day=(date, ...), at=(datetime, start))
            assert schema.model_validate({"day": "2026-12-31"}).model_dump()["at"] is start
