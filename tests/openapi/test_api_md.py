"""docs/api.md: all that the document has is on it, its links lead somewhere, and the server takes its examples."""

import re

import pytest

from tests.contract.described import READY
from tests.openapi.api_md import api_md
from tests.openapi.document import document as document_of_the_application
from tests.openapi.examples import example
from tests.openapi.operations import operations

OPERATIONS = {operation.id: operation for operation in operations(document_of_the_application())}
MISOPERATIONS = {"invalid_input", "invalid_request", "malformed_body", "malformed_request", "unsupported_media_type"}
"""Codes of a request that is wrong whatever rows there are; an id that is nobody's could be somebody's."""


@pytest.fixture(scope="module")
def page(document):
    """As it is written now."""
    return api_md(document)


def headings(page):
    """Their anchors, as GitHub makes them."""
    texts = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in texts]


class TestThePage:
    def test_has_every_operation(self, page):
        for operation in OPERATIONS.values():
            assert f"### {operation.id}\n\n`{operation.method.upper()} {operation.path}`: " in page

    def test_has_links_that_lead_to_one_heading_each(self, page):
        anchors = headings(page)
        links = set(re.findall(r"\]\(#([^)]+)\)", page))
        assert {link: anchors.count(link) for link in links} == dict.fromkeys(links, 1)

    def test_has_tables_whose_rows_are_as_wide_as_their_heads(self, page):
        """A `|` in a description would make another column."""
        for rows in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}) == 1, rows

    def test_names_every_problem(self, page, base):
        """By status and code, beside the operation; what all have in common, once."""
        assert "| 409 | `busy`, `taken` |\n| 410 | `gone`, `purged` |" in api_md(base)


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - READY))
class TestAnExample:
    async def test_is_taken_by_the_server(self, admin, name):
        request = example(OPERATIONS[name])
        answer = await admin.request(
            request.method, f"http://test{request.target}", headers=request.headers, content=request.content
        )
        is_problem = answer.headers.get("content-type") == "application/problem+json"
        assert not is_problem or answer.json()["code"] not in MISOPERATIONS, answer.text
        assert answer.status_code < 500
        assert answer.status_code not in (405, 406)
