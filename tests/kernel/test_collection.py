"""What a query string asks of a collection: the parser, which takes whatever a client sends."""

from datetime import date, datetime
from enum import StrEnum
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import MetaData
from sqlmodel import Field, SQLModel

from shared.errors import InvalidInput
from shared.http.reads.lists import ListGrammar
from shared.reads.collection import Collection, CustomFilter, ListQuery
from shared.reads.projection import Document


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Thing(SQLModel, table=True):
    """A row with a column of every kind."""

    metadata = MetaData()

    __tablename__ = "scratch_things"
    id: UUID = Field(primary_key=True)
    title: str
    note: str | None
    pages: int
    weight: float | None
    on_loan: bool
    colour: Colour
    bought_at: datetime
    printed_on: date | None
    deleted_at: datetime | None


class ThingRead(Document, of=Thing):
    id: UUID
    title: str
    note: str | None
    pages: int
    weight: float | None
    on_loan: bool
    colour: Colour
    bought_at: datetime
    printed_on: date | None


FIELDS = tuple(ThingRead.model_fields)
SORTS = ("bought_at", "title", "note", "pages")
THINGS = ListGrammar(
    Collection(
        ThingRead,
        filters=FIELDS,
        sorts=SORTS,
        default_sort=(("bought_at", True),),
        search="title",
        custom={"label": CustomFilter(lambda _, text: text == "x", "Has the label.")},
    )
)
PLAIN = ListGrammar(Collection(ThingRead, sorts=(), default_sort=(("pages", False),)))

OPERATORS = ("eq", "ne", "in", "lt", "lte", "gt", "gte", "contains", "like", "")
PAGING = ("limit", "cursor", "sort", "q", "count", "deleted", "fields", "include", "label")
NAMES = (
    st.sampled_from([*PAGING, *FIELDS])
    | st.tuples(st.sampled_from(FIELDS), st.sampled_from(OPERATORS)).map(lambda pair: f"{pair[0]}[{pair[1]}]")
    | st.text(max_size=5)
)
NASTY = st.sampled_from(
    [
        "", "0", "1", "-1", "5", "101", "9" * 30, "9" * 5000, "0" * 5000 + "1", "1e400", "-1e400", "nan", "inf", "-inf",
        "true", "red", "red,blue", "title", "-title,pages", "-relevance", "exact", "estimated", "only", "include",
        "id,title", "2026-01-01", "0000-01-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59",
        "2026-01-01T00:00:00", "2026-01-01T00:00:00Z", "00000000-0000-0000-0000-000000000000", "%", "_", "\\", "\0",
        "a" * 10_000, "," * 200, "[", "٣",
        str(2**63), str(-(2**63)), str(2**63 - 1), "1_000", " 1 ",
    ]
)  # fmt: skip
VALUES = NASTY | st.text(max_size=10) | st.datetimes().map(str) | st.floats().map(str) | st.integers().map(str)


def encoded(text):
    return quote_from_bytes(text.encode(errors="surrogatepass")).encode()


QUERIES = st.lists(
    st.tuples(NAMES.map(encoded), VALUES.map(encoded) | st.binary(max_size=6)).map(b"=".join), max_size=6
).map(b"&".join)


def names_in(raw):
    """The names that an error may have: of one that is no text, what is left of it, or `query`."""
    names = {unquote_to_bytes(part.split(b"=")[0].replace(b"+", b" ")) for part in raw.split(b"&")}
    texts = {name.decode(errors="surrogateescape") for name in names}
    shown = {name.decode(errors="replace") for name in names}
    return texts | shown | ({"query"} if texts != shown else set())


def parsed(grammar, raw):
    """What it asks for, or the error; any other one is the test's failure."""
    try:
        return grammar.parse(raw), None
    except InvalidInput as error:
        return None, error


def query(**given):
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in given.items()).encode()


class TestAnyQueryString:
    @given(QUERIES | st.binary(max_size=40))
    @example(b"limit=" + b"0" * 5000 + b"1")
    @example(b"deleted=only")
    @example(b"%ed%a0%80=%ed%a0%80")
    @example(b"title=%ed%a0%80")
    @example(b"=&&;=%%%")
    @pytest.mark.parametrize("grammar", [THINGS, PLAIN], ids=["all", "none"])
    def test_gives_a_query_or_an_error_that_names_a_parameter_of_it(self, grammar, raw):
        found, error = parsed(grammar, raw)
        if error is not None:
            assert error.parameter in names_in(raw)
            assert error.pointer is None
            return
        assert isinstance(found, ListQuery)
        shape = found.shape
        assert hash(shape) == hash(grammar.parse(raw).shape)
        assert 1 <= shape.limit <= 100
        assert {name for name, _ in shape.sort} <= {
            *grammar.collection.sorts,
            "relevance",
            *dict(grammar.collection.default_sort),
        }
        assert set(found.values) == {
            *(f"filter_{n}" for n in range(len(shape.filters))),
            *(f"custom:{name}" for name in shape.custom),
            *(["q"] if shape.search else []),
        }

    @given(st.integers(201, 400), st.sampled_from([b"label=x", b"x=", b"=", b"limit=1"]))
    def test_of_more_than_200_parameters_is_refused(self, count, pair):
        with pytest.raises(InvalidInput) as raised:
            THINGS.parse(b"&".join([pair] * count))
        assert raised.value.parameter


class TestAContext:
    """What a cursor is bound to."""

    asked = {"title": "a", "pages[gt]": "5", "sort": "title,-pages", "q": "x", "label": "y"}  # noqa: RUF012

    @given(st.permutations(list(asked)))
    def test_is_the_same_whatever_the_order_of_the_parameters(self, names):
        other = query(**{name: self.asked[name] for name in names})
        assert THINGS.parse(other).context == THINGS.parse(query(**self.asked)).context

    @pytest.mark.parametrize(
        "shown", [{"limit": "3"}, {"fields": "id,title"}, {"count": "exact"}, {"cursor": "x"}], ids=str
    )
    def test_has_nothing_of_how_the_rows_are_shown(self, shown):
        assert THINGS.parse(query(**self.asked | shown)).context == THINGS.parse(query(**self.asked)).context

    @pytest.mark.parametrize(
        "change",
        [
            {"title": "b"},
            {"pages[gt]": "6"},
            {"sort": "title"},
            {"q": "z"},
            {"label": "z"},
            {"deleted": "only"},
            {"note": "a"},
        ],
        ids=str,
    )
    def test_has_all_that_decides_which_rows_there_are(self, change):
        assert THINGS.parse(query(**self.asked | change)).context != THINGS.parse(query(**self.asked)).context

    def test_tells_an_operator_from_another_of_the_same_value(self):
        one, two = (THINGS.parse(query(**{f"pages[{operator}]": "5"})) for operator in ("lt", "lte"))
        assert one.context != two.context


class TestValues:
    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("pages", "9223372036854775807", 2**63 - 1),
            ("pages[in]", "1,-2", [1, -2]),
            ("weight[lt]", "0.5", 0.5),
            ("on_loan", "true", True),
            ("colour", "red", Colour.RED),
            ("printed_on[gte]", "2026-02-28", date(2026, 2, 28)),
            ("title[contains]", "50%_\\", "%50\\%\\_\\\\%"),
            ("title", "a,b", "a,b"),
            ("title[in]", "a,b", ["a", "b"]),
            ("title", "", ""),
        ],
    )
    def test_are_of_the_fields_own_type(self, name, text, expected):
        assert THINGS.parse(query(**{name: text})).values == {"filter_0": expected}

    @pytest.mark.parametrize(
        "text", ["9223372036854775808", "-9223372036854775809", "9" * 4000, "1.5", "x", "", "1e3", "NaN"]
    )
    def test_beyond_what_the_database_holds_are_refused(self, text):
        with pytest.raises(InvalidInput) as raised:
            THINGS.parse(query(pages=text))
        assert raised.value.parameter == "pages"

    @pytest.mark.parametrize("text", ["x" * 201, "a\0"])
    @pytest.mark.parametrize("name", ["title", "title[ne]", "title[in]", "title[contains]", "q", "label"])
    def test_of_text_are_bounded_and_have_no_nul(self, name, text):
        with pytest.raises(InvalidInput) as raised:
            THINGS.parse(query(**{name: text}))
        assert raised.value.parameter == name
