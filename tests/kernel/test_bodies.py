"""JSON as RFC 8259 has it, and where it is wrong."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.edge.bodies import read_json
from shared.http.edge.problems import MalformedBody

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def wrong(text):
    with pytest.raises(MalformedBody) as raised:
        read_json(text)
    assert raised.value.pointer == ""
    return raised.value.detail


class TestJson:
    @given(DOCUMENTS)
    def test_of_any_kind_is_read(self, document):
        assert read_json(json.dumps(document)) == document

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("", "line 1 column 1 (char 0)"),
            ("{", "line 1 column 2 (char 1)"),
            ('{\n "a": }', "line 2 column 7 (char 8)"),
            ('{"a": 1} x', "line 1 column 10 (char 9)"),
            ('{"a": 1}{}', "line 1 column 9 (char 8)"),
            ('{"a": "NaN", "b": NaN}', "line 1 column 19 (char 18)"),
            ("[1,\n-Infinity]", "line 2 column 1 (char 4)"),
            ('{"\\"Infinity": Infinity}', "line 1 column 16 (char 15)"),
            ('["' + "9" * 5000 + '", ' + "9" * 5000 + "]", "line 1 column 5006 (char 5005)"),
            ("[-" + "1" * 4301 + "]", "line 1 column 2 (char 1)"),
            ('{"a": 01}', "line 1 column 8 (char 7)"),
            ("{'a': 1}", "line 1 column 2 (char 1)"),
            ('{"a": 1,}', "line 1 column"),
            ('"a\nb"', "line 1 column 3 (char 2)"),
            ('"\\x"', "line 1 column 2 (char 1)"),
            ("nul", "line 1 column 1 (char 0)"),
            ("[+1]", "line 1 column 2 (char 1)"),
            ("[.5]", "line 1 column 2 (char 1)"),
            ("[1.]", "line 1 column 3 (char 2)"),
            ("[٣]", "line 1 column 2 (char 1)"),
        ],
    )
    def test_that_is_malformed_is_told_with_the_place(self, text, place):
        assert place in wrong(text)

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
    def test_that_is_nested_too_deeply_is_refused(self, text):
        assert wrong(text) == "This is nested too deeply."

    @given(st.text(max_size=30) | st.text('{}[]",:0123eE+-.\\nulltruefaseNIity \n', max_size=30))
    def test_of_anything_is_read_or_refused(self, text):
        with suppress(MalformedBody):
            read_json(text)

    @pytest.mark.parametrize("text", ["secret", '{"password": "hunter2', '{"hunter2"', '["hunter2\\x"]', "[hunter2]"])
    def test_that_is_malformed_is_not_echoed(self, text):
        assert "hunter2" not in wrong(text)
        assert "secret" not in wrong(text)
