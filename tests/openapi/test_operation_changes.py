"""Planted changes of an operation or of the whole: each is called by its name and judged right. So is its reverse."""

from typing import NamedTuple

import pytest

from tests.openapi.differences import Change
from tests.openapi.plants import PATH, Planting, adds, all_of, contract_changes, drops, planted, sets


class Planted(NamedTuple):
    """A change of an operation; `of` is what the sentence ends with."""

    change: Planting
    sentence: str
    is_breaking: bool
    reverse: str
    is_reverse_breaking: bool


REQUIRED = {"name": "r", "in": "query", "required": True, "schema": {"type": "string"}}
BUSY = {"$ref": "#/components/schemas/PlantedBusy"}
CONFLICT = "responses.409.content.application/problem+json"
OPERATIONS = [
    Planted(
        lambda document: document["paths"].pop(PATH),
        *("removed: operation planted_put (PUT /planted/{planted_id})", True),
        *("added: operation planted_put (PUT /planted/{planted_id})", False),
    ),
    Planted(
        sets("", operationId="planted_store"),
        *("renamed: operation planted_put to planted_store", True),
        *("renamed: operation planted_store to planted_put", True),
    ),
    Planted(
        lambda document: document["paths"].update({"/sown/{planted_id}": document["paths"].pop(PATH)}),
        *("moved: operation planted_put (PUT /planted/{planted_id}) to PUT /sown/{planted_id}", True),
        *("moved: operation planted_put (PUT /sown/{planted_id}) to PUT /planted/{planted_id}", True),
    ),
    Planted(
        lambda document: document["paths"][PATH].update(patch=document["paths"][PATH].pop("put")),
        *("moved: operation planted_put (PUT /planted/{planted_id}) to PATCH /planted/{planted_id}", True),
        *("moved: operation planted_put (PATCH /planted/{planted_id}) to PUT /planted/{planted_id}", True),
    ),
    Planted(
        sets("", deprecated=True),
        "deprecated: operation planted_put",
        False,
        "reinstated: operation planted_put",
        False,
    ),
    Planted(
        sets("", tags=["sown", "more"]),
        *("changed: tags (planted, more → sown, more) of planted_put", True),
        *("changed: tags (sown, more → planted, more) of planted_put", True),
    ),
    Planted(
        drops("tags", "more"),
        *("changed: tags (planted, more → planted) of planted_put", False),
        *("changed: tags (planted → planted, more) of planted_put", False),
    ),
    Planted(
        all_of(
            lambda document: document["paths"].update({"/planted/{id}": document["paths"].pop(PATH)}),
            lambda document: document["paths"]["/planted/{id}"]["put"]["parameters"][0].update(name="id"),
        ),
        *("renamed: parameter `planted_id` (path) to `id` of planted_put", True),
        *("renamed: parameter `id` (path) to `planted_id` of planted_put", True),
    ),
    Planted(
        sets("", security=[]),
        *("added: way in by nothing of planted_put", False, "removed: way in by nothing of planted_put", True),
    ),
    Planted(
        adds("security", {"ApiKey": []}),
        *("added: way in by `ApiKey` of planted_put", False, "removed: way in by `ApiKey` of planted_put", True),
    ),
    Planted(
        adds("security.0.Planted", "admin"),
        *("removed: way in by `Planted` of planted_put", True),
        *("added: way in by `Planted` of planted_put", False),
    ),
    Planted(
        adds("parameters", {**REQUIRED, "required": False}),
        *("added: parameter `r` (query) of planted_put", False, "removed: parameter `r` (query) of planted_put", True),
    ),
    Planted(
        adds("parameters", REQUIRED),
        *("added: required parameter `r` (query) of planted_put", True),
        *("removed: parameter `r` (query) of planted_put", True),
    ),
    Planted(
        adds("parameters", {**REQUIRED, "in": "header", "name": "X-Planted"}),
        *("added: required parameter `X-Planted` (header) of planted_put", True),
        *("removed: parameter `X-Planted` (header) of planted_put", True),
    ),
    Planted(
        sets("parameters.1", required=True),
        *("narrowed: parameter `q` (query) (required) of planted_put", True),
        *("widened: parameter `q` (query) (no longer required) of planted_put", False),
    ),
    Planted(
        sets("parameters.1.schema", maxLength=20),
        *("narrowed: parameter `q` (maxLength `50` → `20`) in requests of planted_put", True),
        *("widened: parameter `q` (maxLength `20` → `50`) in requests of planted_put", False),
    ),
    Planted(
        adds("parameters.2.schema.items.enum", "c"),
        *('added: value `"c"` of parameter `sort[]` in requests of planted_put', False),
        *('removed: value `"c"` of parameter `sort[]` in requests of planted_put', True),
    ),
    Planted(
        sets("parameters.2", explode=True),
        *(
            "changed: explode of parameter `sort` (query) (false → true) of planted_put",
            True,
        ),
        *(
            "changed: explode of parameter `sort` (query) (true → false) of planted_put",
            True,
        ),
    ),
    Planted(
        sets("parameters.1", deprecated=True),
        *("deprecated: parameter `q` (query) of planted_put", False),
        *("reinstated: parameter `q` (query) of planted_put", False),
    ),
    Planted(
        drops("", "requestBody"),
        *("removed: body of planted_put", True, "added: required body of planted_put", True),
    ),
    Planted(
        drops("requestBody", "required"),
        *("widened: the body (no longer required) of planted_put", False),
        *("narrowed: the body (required) of planted_put", True),
    ),
    Planted(
        drops("requestBody.content", "text/csv"),
        *("removed: media type text/csv in requests of planted_put", True),
        *("added: media type text/csv in requests of planted_put", False),
    ),
    Planted(
        drops("responses.200.content", "text/csv"),
        *("removed: media type text/csv (200) in answers of planted_put", True),
        *("added: media type text/csv (200) in answers of planted_put", False),
    ),
    Planted(
        drops("responses.200.headers", "ETag"),
        *("removed: header `ETag` (200) of planted_put", True, "added: header `ETag` (200) of planted_put", False),
    ),
    Planted(
        sets("responses.200.headers.ETag", required=False),
        *("widened: header `ETag` (200) (no longer always there) of planted_put", True),
        *("narrowed: header `ETag` (200) (always there) of planted_put", False),
    ),
    Planted(
        sets("responses.200.headers.ETag.schema", type="integer"),
        *("changed: type of header `ETag` (string → integer) in answers of planted_put", True),
        *("changed: type of header `ETag` (integer → string) in answers of planted_put", True),
    ),
    Planted(
        drops("responses", "204"),
        *("removed: answer 204 of planted_put", True, "added: answer 204 of planted_put", True),
    ),
    Planted(
        sets("responses", **{"304": {"description": "The same."}}),
        *("added: answer 304 of planted_put", False, "removed: answer 304 of planted_put", True),
    ),
    Planted(
        sets("responses", **{"429": {"description": "Too many."}}),
        *("added: answer 429 of planted_put", False, "removed: answer 429 of planted_put", True),
    ),
    Planted(
        sets(CONFLICT, schema=BUSY),
        *("removed: problem `taken` (409) of planted_put", True, "added: problem `taken` (409) of planted_put", False),
    ),
    Planted(
        adds("responses.410.content.application/problem+json.schema.properties.code.enum", "lost"),
        *("added: problem `lost` (410) of planted_put", False, "removed: problem `lost` (410) of planted_put", True),
    ),
    Planted(
        drops("PlantedTaken.properties", "hint"),
        *("removed: field `PlantedTaken.hint` in problems of planted_put", True),
        *("added: field `PlantedTaken.hint` in problems of planted_put", False),
    ),
    Planted(sets("/", servers=[{"url": "/"}, {"url": "/v2"}]), "added: server /v2", False, "removed: server /v2", True),
    Planted(
        lambda document: document["components"]["securitySchemes"].update(Another={"type": "http", "scheme": "basic"}),
        *("added: security scheme `Another`", False, "removed: security scheme `Another`", True),
    ),
    Planted(
        lambda document: document["components"]["securitySchemes"]["Planted"].update(type="http"),
        *("changed: security scheme `Planted`", True),
        *("changed: security scheme `Planted`", True),
    ),
    Planted(
        sets("/info", version="9.9.9"), "changed: version 0.1.0 → 9.9.9", False, "changed: version 9.9.9 → 0.1.0", False
    ),
    Planted(
        sets("/", openapi="3.2.0"), "changed: openapi 3.1.0 → 3.2.0", False, "changed: openapi 3.2.0 → 3.1.0", False
    ),
    Planted(
        sets("", callbacks={}), "changed: `callbacks` of planted_put", True, "changed: `callbacks` of planted_put", True
    ),
    Planted(sets("", **{"x-a": 1}), "changed: `x-a` of planted_put", False, "changed: `x-a` of planted_put", False),
]


@pytest.mark.parametrize("plant", OPERATIONS, ids=lambda plant: plant.sentence)
class TestAnOperationsChange:
    def test_is_judged(self, base, plant):
        assert contract_changes(base, planted(base, plant.change)) == [Change(plant.sentence, plant.is_breaking)]

    def test_is_judged_in_reverse(self, base, plant):
        assert contract_changes(planted(base, plant.change), base) == [Change(plant.reverse, plant.is_reverse_breaking)]
