"""Periods: how PostgreSQL writes a duration in the format of ISO 8601."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Interval,
    Numeric,
    Text,
    case,
    cast,
    extract,
    func,
    literal_column,
    null,
    type_coerce,
)


def iso_8601(value: ColumnElement[Any]) -> ColumnElement[str]:
    """The text of an interval, or of a text of one: `P1DT2H30M`, `-PT0.5S`, `PT0S`; whatever the session's
    `intervalstyle` is. A month, which no timedelta has, counts as 30 days.
    """
    period = cast(value, Interval())
    seconds = func.abs(type_coerce(extract("epoch", period), Numeric()), type_=Numeric())
    days = _some(func.div(seconds, _DAY), "D")
    hours = _some(func.div(func.mod(seconds, _DAY), _HOUR), "H")
    minutes = _some(func.div(func.mod(seconds, _HOUR), _MINUTE), "M")
    rest = _some(func.trim_scale(func.mod(seconds, _MINUTE)), "S")
    time = _literal("'T'").concat(func.nullif(func.concat(hours, minutes, rest), _literal("''")))
    sign = case((period < _literal("interval '0'"), _literal("'-'")))
    return case(
        (period.is_(None), null()),
        (seconds == _literal("0"), _literal("'PT0S'")),
        else_=func.concat(sign, _literal("'P'"), days, time),
    )


def _literal(text: str) -> ColumnElement[Any]:
    return literal_column(text, Text())


_DAY, _HOUR, _MINUTE = (literal_column(number, Numeric()) for number in ("86400", "3600", "60"))


def _some(amount: ColumnElement[Any], unit: str) -> ColumnElement[Any]:
    """An amount with its unit; NULL when it is zero."""
    return cast(func.nullif(amount, _literal("0")), Text()).concat(_literal(f"'{unit}'"))
