"""Values: what a text, a time, a number or a JSON object may be, so that PostgreSQL stores just that.

These are validators of Pydantic's: they raise PydanticCustomError. shared/schemas.py makes types of them.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from email_validator import EmailNotValidError, validate_email
from pydantic import AnyHttpUrl, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import PydanticCustomError

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

LONGEST_EMAIL = 254
"""A path has 256 characters (RFC 5321 §4.5.3.1.3), two of which are the brackets around the address."""
LONGEST_URL = 2000
LARGEST_JSON = 100_000
"""Bytes of a Json, written without white space."""
DEEPEST_JSON = 50
MOST_DIGITS = 40
"""Of a Decimal, before its point and after it, where `max_digits` says nothing else."""


def storable(text: str) -> str:
    """PostgreSQL stores every character but NUL. Half of a surrogate pair is no character, but JSON can spell it."""
    if "\0" in text or _LONE_SURROGATE.search(text):
        raise PydanticCustomError("text", "Input should have no NUL character and no half of a surrogate pair")
    return text


def one_line(text: str) -> str:
    """Control characters and line separators would break a log, a terminal or a page that shows the text."""
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in storable(text)):
        raise PydanticCustomError("line", "Input should have no line breaks and no control characters")
    return text


def composed(text: str) -> str:
    """The text in Unicode's NFC: the same whatever keyboard wrote it. Bound its length before: normalising takes
    quadratic time in a run of combining marks.
    """
    return unicodedata.normalize("NFC", text)


def visible(text: str) -> str:
    """A name of invisible characters would look empty."""
    if all(unicodedata.category(character) in {"Cf", "Zs"} for character in one_line(text)):
        raise PydanticCustomError("blank", "Input should have a character that can be seen")
    return text


_DOTTED_I = "\u0130"
"""A capital I with a dot. In many locales, PostgreSQL folds it to a plain i: then two people's addresses are one."""


def normalised_email(address: str) -> str | None:
    """The normal form of an address (Unicode in NFC, the domain in lower case); None for any other text, and for an
    address that is compared like another one.
    """
    if len(address) > LONGEST_EMAIL:  # Normalising takes quadratic time in a run of combining marks.
        return None
    try:
        found = validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError:
        return None
    return None if _DOTTED_I in found else found


def email(address: str) -> str:
    """The normal form of an e-mail address."""
    normalised = normalised_email(address)
    if normalised is None:
        raise PydanticCustomError("email", "Input should be an e-mail address")
    return normalised


_URLS: TypeAdapter[AnyHttpUrl] = TypeAdapter(AnyHttpUrl)
_URL = re.compile(r"(?i:https?)://[^\s\\]+")


def url(text: str) -> str:
    """The normal form: the host in lower case, and what is not ASCII in the ways of RFC 3492 and RFC 3986 §2.1."""
    try:
        if _URL.fullmatch(one_line(text)) and len(found := str(_URLS.validate_python(text))) <= LONGEST_URL:
            return found
    except ValidationError:
        pass
    raise PydanticCustomError("url", f"Input should be an http or https URL of at most {LONGEST_URL} characters")


def storable_json(value: Any) -> Any:
    """A value of JSON that JSONB holds: storable texts, as names too, and numbers that it can write."""
    level = [value]
    for _ in range(DEEPEST_JSON):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, str):
                storable(one)
            elif isinstance(one, int | float) and not _is_writable(one):
                raise PydanticCustomError("json_number", "Input should have no number that is out of range")
            elif isinstance(one, dict):
                inner += [*one, *one.values()]
            elif isinstance(one, list):
                inner += one
        if not inner:
            return value
        level = inner
    raise PydanticCustomError("json_depth", f"Input should be at most {DEEPEST_JSON} levels deep")


def _is_writable(number: float) -> bool:
    return number.bit_length() <= 4096 if isinstance(number, int) else math.isfinite(number)


def bounded_json(value: dict[str, Any]) -> dict[str, Any]:
    """A storable object of at most LARGEST_JSON bytes."""
    written = json.dumps(storable_json(value), ensure_ascii=False, separators=(",", ":"))
    if len(written.encode()) > LARGEST_JSON:
        raise PydanticCustomError("json_size", f"Input should have at most {LARGEST_JSON:,} bytes as JSON")
    return value


def differs(one: Any, other: Any) -> bool:
    """Whether two values of a column are not the same. To Python, true is 1; in a JSON object it is not."""
    return bool(one != other) or (
        isinstance(other, dict) and json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)
    )


Spelling = Callable[[object, ValidatorFunctionWrapHandler], Any]


def _spelt(code: str, spelling: str, like: str, read: Callable[[str], Any] = str) -> Spelling:
    """The validator of a text with this spelling, and of nothing else: Pydantic would also take numbers, and other
    spellings. `read` makes of the text what Pydantic then compares with the field's bounds.
    """
    pattern = re.compile(spelling)

    def validate(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, str) and pattern.fullmatch(value):
            try:
                return handler(read(value))
            except OverflowError:
                pass
            except ValidationError as error:
                if (
                    "parsing" not in error.errors()[0]["type"]
                ):  # It is out of bounds. Else, such as the 30th of February:
                    raise
        raise PydanticCustomError(code, f"Input should be {like}")

    return validate


_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_PERIOD = re.compile(
    r"(-)?P(?=[0-9T])(?:([0-9]+)D)?(?:T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:\.([0-9]{1,6}))?S)?)?"
)
_rfc_3339 = _spelt(
    "instant",
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt ]{_TIME}(\.[0-9]{{1,9}})?([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})",
    "a date and time like 2026-12-31T12:00:00Z",
)


def instant(value: object, handler: ValidatorFunctionWrapHandler) -> datetime:
    """Pydantic would also take offsets that lead beyond year 9999: PostgreSQL stores those, and Python cannot read
    them.
    """
    try:
        found: datetime = _rfc_3339(value, handler)
        return found.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant", "Input should be in the years 1 to 9999 of UTC") from None


def _period(text: str) -> timedelta:
    match = _PERIOD.fullmatch(text)
    assert match is not None
    sign, days, hours, minutes, seconds, fraction = match.groups(default="")
    if max(map(len, (days, hours, minutes, seconds))) > 15:
        raise OverflowError
    whole = timedelta(int(days or 0), int(seconds or 0), 0, 0, int(minutes or 0), int(hours or 0))
    found = whole + timedelta(microseconds=int(fraction.ljust(6, "0")))
    return -found if sign else found


def period_text(period: timedelta) -> str:
    """A duration of ISO 8601, as a document shows it. Pydantic would make years of days, and months."""
    length = abs(period)
    minutes, seconds = divmod(length.seconds, 60)
    fraction = f".{length.microseconds:06}".rstrip("0") if length.microseconds else ""
    amounts = {"H": minutes // 60, "M": minutes % 60, "S": f"{seconds}{fraction}"}
    time = "".join(f"{amount}{unit}" for unit, amount in amounts.items() if amount not in {0, "0"})
    days = f"{length.days}D" if length.days else ""
    return f"{'-' if period != length else ''}P{days}{'T' if time else ''}{time}" if period else "PT0S"


date = _spelt("date", "[0-9]{4}-[0-9]{2}-[0-9]{2}", "a date like 2026-12-31")
time = _spelt("time", rf"{_TIME}(\.[0-9]{{1,6}})?", "a time of day like 12:30:00, without an offset")
duration = _spelt("duration", _PERIOD.pattern, "a duration like P1DT2H30M, without years and months", _period)
decimal = _spelt(
    "decimal",
    rf"-?[0-9]{{1,{MOST_DIGITS}}}(\.[0-9]{{1,{MOST_DIGITS}}})?",
    'a decimal number as a text, like "12.50"',
)

SPELLINGS = frozenset({instant, date, time, duration, decimal})
