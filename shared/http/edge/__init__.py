"""The edge: what every request passes and every answer has, whatever its path.

The request's id, headers and body, whose it is and how much they may ask, errors as problems, its line in the log,
health, and the frame of the OpenAPI document. It knows no module, no resource and no unit of work.
"""

from shared.http.edge.bodies import JSON, MERGE_PATCH, json_body, kind_of
from shared.http.edge.client_rules import ClientRules
from shared.http.edge.complexity import TOO_COMPLEX, is_too_complex
from shared.http.edge.consistency import ReadYourWrites
from shared.http.edge.entity_tags import document_tag, page_tag, precondition_tags, tags_in
from shared.http.edge.headers import Fields, bearer_token, elements
from shared.http.edge.health import Drain, health_router
from shared.http.edge.limits import POLICIES, Charge, QuotaExceeded, charge_more
from shared.http.edge.media_types import preferred
from shared.http.edge.middleware import GONE, HEARD, REFUSAL, RequestContext, answer_bytes
from shared.http.edge.openapi import NEVER_STORED
from shared.http.edge.places import LEAVE, leave
from shared.http.edge.problems import (
    MEDIA_TYPE,
    MOST_ERRORS,
    HeadTooLarge,
    MalformedRequest,
    NotAcceptable,
    Problem,
    RequestTimeout,
    headers_of,
    input_error,
    install_problems,
    problem,
    problem_catalogue,
    status_of,
)
from shared.http.edge.request_id import request_id_of
from shared.http.edge.tags import Tag, operation_id

__all__ = [
    "GONE",
    "HEARD",
    "JSON",
    "LEAVE",
    "MEDIA_TYPE",
    "MERGE_PATCH",
    "MOST_ERRORS",
    "NEVER_STORED",
    "POLICIES",
    "REFUSAL",
    "TOO_COMPLEX",
    "Charge",
    "ClientRules",
    "Drain",
    "Fields",
    "HeadTooLarge",
    "MalformedRequest",
    "NotAcceptable",
    "Problem",
    "QuotaExceeded",
    "ReadYourWrites",
    "RequestContext",
    "RequestTimeout",
    "Tag",
    "answer_bytes",
    "bearer_token",
    "charge_more",
    "document_tag",
    "elements",
    "headers_of",
    "health_router",
    "input_error",
    "install_problems",
    "is_too_complex",
    "json_body",
    "kind_of",
    "leave",
    "operation_id",
    "page_tag",
    "precondition_tags",
    "preferred",
    "problem",
    "problem_catalogue",
    "request_id_of",
    "status_of",
    "tags_in",
]
