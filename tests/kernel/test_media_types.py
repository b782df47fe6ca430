"""Media types and what is negotiated by them (RFC 9110 §8.3.1 and §12.5.1)."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.http.edge.media_types import media_type, preferred
from shared.http.reads.exports import CSV, NDJSON

OFFERED = (NDJSON, CSV)
JUNK = (
    st.text(max_size=40)
    | st.text(" \t,;=\"\\/*q.01abc-'%", max_size=40)
    | st.lists(
        st.sampled_from(
            [
                *("text", "csv", "/", "*", "*/*", ";", "q=", "0", "1", ".5", ",", " ", '"', "\\", "=", "charset"),
                *("utf-8", "charset*=", "charset*0=x", "*0*", "utf-8''x", "application/x-ndjson", "text/csv"),
            ]
        ),
        max_size=12,
    ).map("".join)
)


class TestAMediaType:
    @pytest.mark.parametrize(
        ("text", "name", "parameters"),
        [
            ("text/csv", "text/csv", {}),
            ("Text/CSV;Charset=UTF-8", "text/csv", {"charset": "UTF-8"}),
            ('text/csv \t; charset="utf-8" ;header=present', "text/csv", {"charset": "utf-8", "header": "present"}),
            (r'a/b; x="\"; y=\\"', "a/b", {"x": '"; y=\\'}),
            ("a/b;", "a/b", {}),
            ("a/b;;;x=1", "a/b", {"x": "1"}),
            ("*/*;q=0.5", "*/*", {"q": "0.5"}),
            (
                "text/csv; charset*=utf-8''utf-8; charset*0=x",
                "text/csv",
                {"charset*": "utf-8''utf-8", "charset*0": "x"},
            ),
        ],
    )
    def test_is_a_type_a_subtype_and_parameters(self, text, name, parameters):
        assert media_type(text) == (name, parameters)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "text", "text/", "/csv", "text/csv/x", "text csv", "text/ csv", "text/csv x", "text/csv, a/b"),
            *("text/csv; x", "text/csv; x=", 'text/csv; x="', "text/csv; x =1", 'text/csv; x="a"b', "text/csv; é=1"),
            *("text/csv; charset=utf-8; CHARSET=latin1", "tëxt/csv", "text/csv\n", " text/csv"),
        ],
    )
    def test_is_nothing_else(self, text):
        assert media_type(text) is None

    @pytest.mark.parametrize("part", [" ;", " ; x=1", ';x="', "\t", "a", '\\"', ';"', "/a"])
    def test_however_malformed_is_read_once(self, part):
        """What would be tried in many ways would not come back for years."""
        assert media_type("a/b" + part * 20_000 + "\0") is None
        assert preferred(["a/b" + part * 20_000 + "\0"], OFFERED) in {*OFFERED, None}


class TestWhatIsPreferred:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            (None, NDJSON),
            ("", NDJSON),
            ("*/*", NDJSON),
            ("application/*", NDJSON),
            ("text/*", CSV),
            ("text/csv", CSV),
            ("TEXT/CSV", CSV),
            ("text/csv, application/x-ndjson", NDJSON),
            ("text/csv, application/x-ndjson;q=0.9", CSV),
            ("text/csv;q=0.001, application/x-ndjson;q=0", CSV),
            ("text/csv, */*", CSV),
            ("*/*, text/csv;q=0.5", NDJSON),
            ("text/*, text/csv;q=0", None),
            ("*/*, application/x-ndjson;q=0", CSV),
            ("application/json, text/csv;q=0", None),
            ("application/json", None),
            ("text/html, application/xhtml+xml", None),
            ("*/*;q=0", None),
            ("text/csv;q=0.0, text/*;q=0.000", None),
            ("text/csv; charset=utf-8", CSV),
            ('text/csv; charset="UTF-8"; q=0.5, application/x-ndjson;q=0.1', CSV),
            ("text/csv; charset=utf-16", None),
            ("text/csv; charset=utf-8;q=0, text/csv", None),
            ("text/csvx, xtext/csv", None),
            ("text/csv-schema, application/json", None),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", NDJSON),
            ("text/csv;q=nonsense, text/*", CSV),
            ("text/csv;q=2", NDJSON),
            ("nonsense", NDJSON),
            (",,", NDJSON),
            ('a/b;x=",text/csv", application/x-ndjson', NDJSON),
        ],
    )
    def test_is_what_weighs_most_by_the_most_specific_range(self, accept, expected):
        assert preferred([] if accept is None else [accept], OFFERED) == expected

    def test_may_stand_on_several_lines(self):
        assert preferred(["application/json", "text/csv;q=0.1"], OFFERED) == CSV

    @given(st.lists(JUNK, max_size=3))
    @settings(max_examples=300)
    @example(["text/csv; charset*=utf-8''utf-8; charset*0=x"])
    def test_of_anything_is_one_of_those_on_offer_or_none(self, accept):
        assert preferred(accept, OFFERED) in {*OFFERED, None}
        for line in accept:
            media_type(line)
