"""How much JSON a request may hold."""

import json

import pytest

from shared.http.edge.complexity import DEEPEST, MOST_VALUES, is_too_complex

ID = "00000000-0000-0000-0000-000000000000"


def nested(depth, opening="[", closing="]"):
    return (opening * depth + closing * depth).encode()


class TestABody:
    @pytest.mark.parametrize(
        "value",
        [
            {"name": "x", "description": "," * 10_000},
            {"name": "x", "description": '"[{,:' * 100_000},
            {"name": "\\" * 99_999, "description": '\\"' * 99_999},
            {"operations": [{"method": "POST", "path": "/projects", "body": {"tag_ids": [ID] * 100}}] * 100},
            [1] * (MOST_VALUES - 2),
        ],
        ids=["commas", "brackets", "backslashes", "batch", "most"],
    )
    def test_may_be_as_large_as_that(self, value):
        assert not is_too_complex(json.dumps(value).encode())

    @pytest.mark.parametrize(
        "content",
        [
            json.dumps({f"k{n}": 1 for n in range(90_000)}),
            json.dumps([1] * (MOST_VALUES + 1)),
            json.dumps([[]] * MOST_VALUES),
            json.dumps([""] * MOST_VALUES * 3),
            '{"a":' * 150_000 + "1" + "}" * 150_000,
            "[{}" + ",{}" * MOST_VALUES + "]",
        ],
        ids=lambda content: content[:9],
    )
    def test_of_very_many_values_is_too_complex(self, content):
        assert is_too_complex(content.encode())

    def test_may_be_only_so_deep(self):
        assert not is_too_complex(nested(DEEPEST))
        assert is_too_complex(nested(DEEPEST + 1))
        assert is_too_complex(b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1))

    @pytest.mark.parametrize("content", [b"[" * 9999, b'"' * 9999, b'"' + b"\\" * 9999, b"\0\xff" * 9999, b""])
    def test_that_is_no_json_is_left_to_the_parser(self, content):
        assert not is_too_complex(content)

    @pytest.mark.parametrize("end", [b"", b"\\", b"x"])
    def test_with_a_text_that_never_closes_is_looked_through_once(self, end):
        """To look for its end from each quote in it would take longer than this test may."""
        assert not is_too_complex(b"[" * (DEEPEST + 1) + b'"' + b'\\"' * 500_000 + end)


class TestARequest:
    @pytest.mark.parametrize("path", ["/users", "/batch"])
    async def test_of_very_many_values_is_invalid(self, signed_in, path):
        ann = await signed_in()
        bodies: list[object] = [{f"k{n}": 1 for n in range(90_000)}, {"operations": [{}] * 90_000}, [[]] * 300_000]
        for body in bodies:
            answer = await ann.post(path, content=json.dumps(body, separators=(",", ":")), headers=JSON)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
            assert answer.json()["errors"] == [{"pointer": "", "code": "too_complex", "message": TOLD}]

    async def test_that_is_too_deep_is_invalid(self, signed_in):
        ann = await signed_in()
        for path in ("/users", "/batch"):
            for deep in (nested(500), b'{"operations":' + nested(500) + b"}"):
                answer = await ann.post(path, content=deep, headers=JSON)
                assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_complex")

    async def test_with_more_errors_than_anybody_reads_has_them_counted(self, signed_in):
        ann = await signed_in()
        answer = await ann.patch("/users/me", json={f"k{n}": 1 for n in range(5000)})
        assert [error["code"] for error in answer.json()["errors"]] == ["too_many_errors"]

    async def test_of_a_form_has_so_many_fields(self, client):
        fields = "&".join(f"k{n}=1" for n in range(100_000))
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for path in ("/auth/token", "/auth/revoke"):
            answer = await client.post(path, content=fields, headers=headers)
            assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.needs("projects")
class TestALineOfAnImport:
    async def test_of_very_many_values_is_wrong_by_itself(self, signed_in):
        ann = await signed_in()
        complex = json.dumps({f"k{n}": 1 for n in range(MOST_VALUES)})
        content = f'{{"name": "a"}}\n{complex}\n{{"name": "b"}}\n'
        headers = {"Content-Type": "application/x-ndjson"}
        answer = await ann.post("/projects/import", content=content, headers=headers, params={"mode": "partial"})
        assert (answer.json()["imported"], answer.json()["failed"]) == (2, 1)
        assert [(error["line"], error["code"]) for error in answer.json()["errors"]] == [(2, "too_complex")]


JSON = {"Content-Type": "application/json"}
TOLD = f"Input should have fewer values, and be at most {DEEPEST} levels deep"
