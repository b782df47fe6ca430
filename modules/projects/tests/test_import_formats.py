"""The lines of `POST /projects/import`, as NDJSON and as CSV: how they are read, and what is wrong with which."""

import csv
import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modules.projects.tests.factories import ProjectFactory
from modules.projects.tests.imports import CSV, FIELDS, NDJSON, WHOLE, imported, named, names, ndjson, send, wrong
from shared.http.imports import lines


@pytest.fixture
async def ann(signed_in):
    return await signed_in(full_name="Ann")


class TestNdjson:
    async def test_has_a_project_of_the_callers_on_each_line(self, ann):
        answer = await send(ann, ndjson(WHOLE, {"name": "Garden"}))
        assert answer.json() == {"imported": 2, "failed": 0, "errors": []}
        garden, relaunch = (await ann.get("/projects")).json()["items"]
        assert {name: relaunch[name] for name in FIELDS} == WHOLE
        assert (garden["status"], garden["description"], garden["due_on"]) == ("active", None, None)
        assert {garden["owner_id"], relaunch["owner_id"]} == {str(ann.id)}
        assert (garden["my_role"], garden["version"]) == ("owner", 1)

    @pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
    async def test_may_be_empty(self, ann, content):
        assert imported(await send(ann, content)) == (0, 0)

    @pytest.mark.parametrize(
        "content",
        [
            b'{"name": "a"}\n{"name": "b"}',
            b'\xef\xbb\xbf{"name":"a"}\r\n\r\n{"name":"b"}\r\n',
            b'\n{"name":"a"}\n{"name":"b"}\n\n',
        ],
        ids=["no last line break", "Windows", "blank lines"],
    )
    async def test_comes_in_the_ways_that_programs_write_it(self, ann, content):
        assert imported(await send(ann, content)) == (2, 0)
        assert await names(ann) == {"a", "b"}

    @pytest.mark.parametrize(
        "line",
        [
            b"x",
            b"{",
            b"\xff",
            b"\0",
            b'{"name": "\xff"}',
            b'{"name": "a"} x',
            b'{"name": "a"}{"name": "b"}',
            b"[" * 9999,
            b'{"name": "a", "due_on": ' + b"1" * 5000 + b"}",
            '{"name": "a"}'.encode("utf-16"),
        ],
        ids=lambda line: ascii(line)[2:22],
    )
    async def test_tells_the_line_that_is_no_json(self, ann, line):
        answer = await send(ann, b'{"name": "a"}\n\n' + line + b'\n{"name": "b"}\n')
        assert (3, "", "json_invalid") in wrong(answer)
        assert await names(ann) == set()

    @pytest.mark.parametrize("line", ["[]", "null", '"x"', "1"])
    async def test_tells_the_line_that_is_no_object(self, ann, line):
        ((number, pointer, _),) = wrong(await send(ann, f"{line}\n".encode()))
        assert (number, pointer) == (1, "")

    async def test_tells_the_line_that_is_too_long_and_goes_on(self, ann):
        long = json.dumps({"name": "a", "description": "x" * lines.LONGEST}).encode()
        answer = await send(ann, long + b"\n" + named("b") + long, mode="partial")
        assert imported(answer) == (1, 2)
        assert [(error["line"], error["code"]) for error in answer.json()["errors"]] == [
            (1, "line_too_long"),
            (3, "line_too_long"),
        ]


class TestCsv:
    async def test_has_a_header_and_a_project_on_each_line(self, ann):
        rows = io.StringIO()
        csv.writer(rows).writerows([FIELDS, [WHOLE[name] for name in FIELDS], ["", "Garden", "", "active", "", ""]])
        assert imported(await send(ann, rows.getvalue().encode(), "text/csv; charset=UTF-8; header=present")) == (2, 0)
        garden, relaunch = (await ann.get("/projects")).json()["items"]
        assert {name: relaunch[name] for name in FIELDS} == WHOLE
        assert (garden["external_id"], garden["description"], garden["due_on"]) == (None, None, None)

    @pytest.mark.parametrize("content", ["", "\n", "name\n", "\ufeffname,due_on\r\n"])
    async def test_may_be_empty(self, ann, content):
        assert imported(await send(ann, content.encode(), CSV)) == (0, 0)

    async def test_comes_in_the_ways_that_programs_write_it(self, ann):
        assert imported(await send(ann, '\ufeff"name",status\r\na,\r\n\r\nb,paused'.encode(), CSV)) == (2, 0)
        assert await names(ann) == {"a", "b"}

    @pytest.mark.parametrize(
        ("header", "errors"),
        [
            ("name,nonsense", [(1, "/nonsense", "extra_forbidden")]),
            ("name,", [(1, "/", "extra_forbidden")]),
            ("name,status,name", [(1, "/name", "column_repeated")]),
            ("name,id,id", [(1, "/id", "extra_forbidden"), (1, "/id", "extra_forbidden")]),
            ('name,"status', [(1, "", "csv_invalid")]),
        ],
    )
    @pytest.mark.parametrize("mode", ["atomic", "partial"])
    async def test_with_a_wrong_header_fails_whatever_the_mode(self, ann, header, errors, mode):
        assert wrong(await send(ann, f"{header}\r\na,b,c\r\n".encode(), CSV, mode=mode)) == errors
        assert await names(ann) == set()

    @pytest.mark.parametrize(
        ("row", "error"),
        [
            (b",active,", ("/name", "missing")),
            (b"a,b", ("", "cells")),
            (b"a,active,,", ("", "cells")),
            (b'"a"b,active,', ("", "csv_invalid")),
            (b"a\rb,active,", ("", "csv_invalid")),
            (b"a,Active,", ("/status", "enum")),
            (b"a,active,urgent", ("/tag_ids", "json_invalid")),
            (b"a,active," + b"[" * 9999, ("/tag_ids", "json_invalid")),
            (b"a,active,7", ("/tag_ids", "list_type")),
            (b'a,active,"[""7""]"', ("/tag_ids/0", "uuid_parsing")),
            (b"a\0b,active,", ("/name", "text")),
            (b"x" * 131_073 + b",active,", ("", "csv_invalid")),
            (b"a,active," + b"x," * lines.LONGEST, ("", "line_too_long")),
        ],
        ids=lambda value: ascii(value)[:24],
    )
    async def test_tells_the_line_that_is_wrong_and_goes_on(self, ann, row, error):
        content = b"name,status,tag_ids\r\nb,active,\r\n" + row + b"\r\nc,active,\r\n"
        answer = await send(ann, content, CSV)
        assert wrong(answer) == [(3, *error)]
        assert imported(await send(ann, content, CSV, mode="partial")) == (2, 1)
        assert await names(ann) == {"b", "c"}

    async def test_that_is_no_utf_8_names_the_cell(self, ann):
        ((line, pointer, _),) = wrong(await send(ann, b"name,status\r\na,active\r\n\xff,active\r\n", CSV))
        assert (line, pointer) == (3, "/name")

    async def test_counts_the_line_breaks_within_quotes(self, ann):
        """A line's number is that of its first one in the file."""
        content = 'name,description\r\na,"1\r\n2\n3"\r\n\r\n,"4\r\n5"\r\nb,\r\n,6\r\n'
        assert wrong(await send(ann, content.encode(), CSV)) == [(6, "/name", "missing"), (9, "/name", "missing")]

    async def test_whose_quotes_never_end_is_not_read_to_the_end_for_it(self, ann):
        rows = "".join(f"name {n},\r\n" for n in range(20_000))
        errors = wrong(await send(ann, f'name,description\r\na,"b\r\n{rows}'.encode(), CSV))
        assert errors == [(2, "", "csv_invalid")]

    async def test_whose_line_never_ends_fails(self, ann):
        row = 'a,"' + '\n","' * (lines.LONGEST // 4) + '"\r\n'
        answer = await send(ann, f"name,description\r\n{row}".encode(), CSV)
        assert wrong(answer)[0] == (2, "", "line_too_long")


class TestManyLines:
    @pytest.mark.parametrize(("media_type", "content"), [(NDJSON, named(*"abcde")), (CSV, b"name\na\nb\nc\nd\ne\n")])
    async def test_beyond_so_many_are_refused(self, ann, monkeypatch, media_type, content):
        monkeypatch.setattr(lines, "MOST_LINES", 5)
        assert imported(await send(ann, content, media_type, dry_run="true")) == (5, 0)
        monkeypatch.setattr(lines, "MOST_LINES", 4)
        refused = await send(ann, content, media_type, mode="partial")
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        assert await names(ann) == set()


class TestARoundTrip:
    @pytest.mark.parametrize("media_type", [NDJSON, CSV])
    async def test_brings_back_what_was_exported(self, ann, signed_in, media_type):
        odd = ('"', "a, b", "line\r\nbreak\n", "=1+1", "ψ 𝛙 \u2028", " ", "\\N", "null", "{}", "\x1f")
        for n, description in enumerate(odd):
            await ProjectFactory.saved(owner_id=ann.id, external_id=f"{n}", description=description)
        fields = {"fields": ",".join(FIELDS)}
        exported = await ann.get("/projects/export", params=fields, headers={"Accept": media_type})
        bob = await signed_in()
        assert imported(await send(bob, exported.content, media_type)) == (len(odd), 0)
        again = await bob.get("/projects/export", params=fields, headers={"Accept": media_type})
        assert sorted(again.content.split(b"\n")) == sorted(exported.content.split(b"\n"))


LINES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode(errors="surrogatepass")),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.one_of(st.text(max_size=10), st.none(), st.floats(), st.lists(st.uuids().map(str), max_size=2))
            for name in (*FIELDS, "tag_ids", "nonsense")
        },
    ).map(lambda row: json.dumps(row).encode()),
)


class TestJunk:
    @given(
        media_type=st.sampled_from([NDJSON, CSV]),
        header=st.sampled_from([b"", b"name\n", b"name,tag_ids,due_on\r\n", b"\xef\xbb\xbfname,external_id\n"]),
        found=st.lists(LINES, max_size=6),
        mode=st.sampled_from(["atomic", "partial"]),
    )
    @example(NDJSON, b"", [b'{"name": "a", "description": "\\ud83d"}'], "partial")
    @example(CSV, b"name\n", [b'"', b'"\xff\0"'], "partial")
    @settings(max_examples=200)
    async def test_is_answered_by_the_line(self, ann, media_type, header, found, mode):
        answer = await send(ann, header + b"\n".join(found), media_type, mode=mode, dry_run="true")
        assert answer.status_code in {200, 422}, answer.text
        outcome = answer.json()
        last = header.count(b"\n") + sum(line.count(b"\n") + 1 for line in found) + 1
        assert all(
            1 <= error["line"] <= last and error["code"] and error["message"] for error in outcome.get("errors", [])
        )
        assert bool(outcome.get("errors")) == bool(outcome["failed"])
