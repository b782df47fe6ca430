"""What schemathesis has to be told of this API: media types, and what no schema can say.

Five of its checks are replaced by themselves with exceptions. schemathesis.toml turns the originals off.
"""

import re
from typing import Any

import schemathesis
from schemathesis.openapi.checks import AllowHeaderMismatch
from schemathesis.specs.openapi import checks

MAY_REFUSE = {
    "already_there": "`If-None-Match: *` allows to create, and nothing else.",
    "batch_failed": "A batch fails with its operation, by the rules of that one.",
    "dates_out_of_order": "JSON Schema cannot compare two members.",
    "idempotency_key_reused": "Each value is as good as another, until it was used.",
    "import_failed": "A line is JSON or CSV within text, which a schema does not look into.",
    "invalid_cursor": "Only the server makes cursors.",
    "invalid_grant": "Only the server makes refresh tokens, and an account has its password.",
    "invalid_request": "A form names each parameter once, even one that means nothing (RFC 6749 §3.2).",
    "link_not_valid": "Only the server makes what a mail has.",
    "passkey_invalid": "Only an authenticator signs a challenge.",
    "precondition_failed": "There may be nothing that If-Match could be compared with.",
    "tag_not_attachable": "The schema cannot tell which tags there are.",
    "unsupported_grant_type": "RFC 6749 §5.2 has this for a grant type that is none of ours, and the schema any text.",
    "version_mismatch": "Only an answer tells the versions that there have been.",
    "weak_password": "The list of passwords that all know is long.",
}
"""Codes of problems with which a request may be refused that its schema allows, and the reasons."""
MAY_BE_WRONG = {
    "email": "`format: email` allows names that get no mail, such as those that end in `.test` (RFC 6761).",
    "If-None-Match": "It contradicts `If-Match`: JSON Schema cannot compare two parameters.",
    "line": "White space around a text is removed, control characters in it are refused: one pattern cannot say both.",
    "query": "A change of all that match needs a filter or a search: no parameter alone is required.",
    "/expires_at": "A schema does not know what time it is.",
    "/scopes": "Which there are depends on the modules.",
    "slug": "The letters of all scripts: a pattern that says so is none that every tool understands.",
    "sort": "A field is named once. With `uniqueItems` generators would make a set, which has no order.",
    "string_too_short": "White space around a text does not count.",
}
"""The same for `invalid_input`: codes, parameters and members of what is wrong."""

schemathesis.serializer.alias("application/x-ndjson", "text/plain")


@schemathesis.check
def valid_requests_are_accepted(ctx: Any, response: Any, case: Any) -> None:
    """`positive_data_acceptance`, but for what no schema can tell."""
    if response.status_code < 400 or not _may_refuse(response.json()):
        checks.positive_data_acceptance(ctx, response, case)


@schemathesis.check
def answers_fit_their_schemas(ctx: Any, response: Any, case: Any) -> None:
    """`response_schema_conformance`, but for an empty 201."""
    if not _is_minimal(response):
        checks.response_schema_conformance(ctx, response, case)


@schemathesis.check
def answers_have_their_media_types(ctx: Any, response: Any, case: Any) -> None:
    """`content_type_conformance`, but for an empty 201."""
    if not _is_minimal(response):
        checks.content_type_conformance(ctx, response, case)


@schemathesis.check
def other_methods_are_refused(ctx: Any, response: Any, case: Any) -> None:
    """`unsupported_method`, but for QUERY, for which OpenAPI 3.1 has no words; /openapi-3.2.json has it."""
    if response.request.method != "QUERY":
        checks.unsupported_method(ctx, response, case)


@schemathesis.check
def allow_names_the_methods(ctx: Any, response: Any, case: Any) -> None:
    """`allow_header_conformance`, but for QUERY."""
    try:
        checks.allow_header_conformance(ctx, response, case)
    except AllowHeaderMismatch as mismatch:
        if mismatch.missing_methods or mismatch.undocumented_methods != ["QUERY"]:
            raise


def _may_refuse(problem: dict[str, Any]) -> bool:
    if problem["code"] == "invalid_input":
        return all(MAY_BE_WRONG.keys() & _said_of(error) for error in problem["errors"])
    return problem["code"] in MAY_REFUSE


def _said_of(error: dict[str, str]) -> set[str]:
    """Its code, parameter or member; of an array's element, the array."""
    return {error["code"], error.get("parameter", ""), re.sub(r"/\d+$", "", error.get("pointer", ""))}


def _is_minimal(response: Any) -> bool:
    """`Prefer: return=minimal` leaves a 201 empty. OpenAPI has no words for content that may be missing."""
    return not response.content and response.headers.get("preference-applied") == ["return=minimal"]
