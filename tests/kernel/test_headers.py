"""Header fields as RFC 9110 §5 has them, whatever bytes they are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from shared.http.edge.headers import bearer_token, elements, sole, trimmed

ANYTHING = st.binary(max_size=40) | st.text(' \t,;="\\/*qabW-.', max_size=30).map(str.encode)


def headers(*values, name=b"authorization"):
    return Headers(raw=[(name, value) for value in values])


class TestAValue:
    @pytest.mark.parametrize(
        ("sent", "value"),
        [(b" k\t", b"k"), (b"\t \tk ", b"k"), (b"a b", b"a b"), (b" \t ", b""), (b"\xa0k\x0b", b"\xa0k\x0b")],
    )
    def test_has_no_blanks_or_tabs_around_it(self, sent, value):
        assert trimmed([(b"x", sent)]) == [(b"x", value)]

    def test_that_is_there_twice_is_none(self):
        assert sole(headers(b"a"), "authorization") == "a"
        assert sole(headers(b"a", b"a"), "authorization") == ""
        assert sole(headers(), "authorization") == ""


class TestAList:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (["a, b", "c"], ["a", "b", "c"]),
            ([",a,, \t,b,"], ["a", "b"]),
            (['a;x="1,2", b'], ['a;x="1,2"', "b"]),
            ([r'a;x="1\",2",b'], [r'a;x="1\",2"', "b"]),
            (['a, "b, c'], ["a", '"b, c']),
            (['a, "b\\'], ["a", '"b\\']),
            ([""], []),
            ([], []),
        ],
    )
    def test_is_split_at_the_commas_that_no_quotes_hold(self, lines, expected):
        assert elements(lines) == expected

    @given(st.lists(ANYTHING, max_size=3))
    def test_of_anything_loses_nothing_but_commas_and_blanks(self, lines):
        texts = [line.decode("latin-1") for line in lines]
        kept = str.maketrans("", "", ", \t")
        assert "".join(elements(texts)).translate(kept) == "".join(texts).translate(kept)


class TestABearerToken:
    @pytest.mark.parametrize("value", [b"Bearer x.y", b"Bearer    x.y", b"bearer x.y", b"BEARER  x.y"])
    def test_follows_the_scheme_whatever_the_case_and_the_blanks(self, value):
        assert bearer_token(headers(value)) == "x.y"

    @pytest.mark.parametrize(
        "values", [(), (b"Basic eDp5",), (b"Bearer\tx",), (b"Bearerx",), (b"Bearer x", b"Bearer x")]
    )
    def test_is_none_in_another_scheme_or_in_two(self, values):
        assert bearer_token(headers(*values)) is None

    @given(ANYTHING)
    def test_is_looked_for_in_anything(self, value):
        assert bearer_token(headers(value)) is None or value.lower().startswith(b"bearer")
