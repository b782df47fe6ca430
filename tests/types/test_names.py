"""A field may have any name: what is sent under it is kept, whatever the kernel calls its own."""

import json
from dataclasses import replace

import pytest
from pydantic import create_model
from sqlalchemy import MetaData
from sqlmodel import SQLModel

from app.fields import demand_field_names
from shared.manifest import ManifestError
from shared.rows import Resource
from tests.types.names import MODULE, NAMES

SENT = {name: f"{name} as sent" for name in NAMES}
OTHER = {name: f"{name} changed" for name in NAMES}


def kept(document):
    return {name: document[name] for name in NAMES}


@pytest.fixture
async def path(ann):
    created = await ann.post("/named", json={"code": "a", **SENT})
    assert created.status_code == 201, created.text
    assert kept(created.json()) == SENT
    return f"/named/{created.json()['id']}"


class TestFields:
    async def test_are_kept_by_a_create_and_read_again(self, ann, path):
        document = (await ann.get(path)).json()
        assert kept(document) == SENT
        assert path.endswith(document["id"])
        (entry,) = (await ann.get(f"{path}/history")).json()["items"]
        assert kept(entry["after"]) == SENT

    async def test_are_kept_by_a_patch_of_all(self, ann, path):
        changed = await ann.patch(path, json=OTHER)
        assert (changed.status_code, kept(changed.json()), changed.json()["version"]) == (200, OTHER, 2)

    @pytest.mark.parametrize("name", NAMES)
    async def test_are_kept_by_a_patch_of_one(self, ann, path, name):
        changed = await ann.patch(path, json={name: "changed"})
        assert (changed.status_code, changed.json()["version"]) == (200, 2), changed.text
        assert kept(changed.json()) == {**SENT, name: "changed"}

    async def test_are_kept_by_a_put_under_a_key(self, ann, path):
        for code, version in (("a", 2), ("b", 1)):
            put = await ann.put(f"/named/by-code/{code}", json=OTHER)
            assert (put.status_code, kept(put.json()), put.json()["version"]) == (200, OTHER, version), put.text

    async def test_are_kept_by_an_import(self, ann):
        lines = "".join(json.dumps({"code": code, **SENT}) + "\n" for code in "bcb")
        answer = await ann.post(
            "/named/import?mode=partial", content=lines, headers={"Content-Type": "application/x-ndjson"}
        )
        assert (answer.status_code, answer.json()["imported"]) == (200, 2), answer.text
        assert [error["line"] for error in answer.json()["errors"]] == [3]
        for document in (await ann.get("/named")).json()["items"]:
            assert kept(document) == SENT

    @pytest.mark.parametrize("name", NAMES)
    async def test_are_found_and_changed_by_what_they_are(self, ann, path, name):
        await ann.post("/named", json={"code": "b"})
        answer = await ann.patch("/named", params={name: SENT[name]}, json={"self": "changed", name: "changed"})
        assert (answer.status_code, answer.json()["count"]) == (200, 1), answer.text
        assert kept((await ann.get(path)).json()) == {**SENT, "self": "changed", name: "changed"}

    @pytest.mark.parametrize("name", NAMES)
    async def test_are_sorted_and_counted(self, ann, path, name):
        await ann.post("/named", json={"code": "b", name: "zzz"})
        for direction, codes in (("", ["a", "b"]), ("-", ["b", "a"])):
            asked = {"sort": f"{direction}{name}", "limit": 1, f"{name}[gte]": "A"}
            first = (await ann.get("/named", params=asked)).json()
            second = (await ann.get("/named", params=asked | {"cursor": first["next_cursor"]})).json()
            assert [item["code"] for item in (*first["items"], *second["items"])] == codes
        groups = (await ann.get("/named/summary", params={"group_by": name})).json()["groups"]
        assert {group["by"][name] for group in groups} == {SENT[name], "zzz"}

    async def test_of_a_list_of_a_parents_are_not_taken_for_the_callers(self, ann, signed_in, path):
        bob = await signed_in()
        await bob.post("/named", json={"code": "b", "caller_id": str(ann.id)})
        for caller, caller_id, codes in ((ann, "caller_id as sent", ["a"]), (ann, ann.id, []), (bob, ann.id, ["b"])):
            answer = await caller.get(f"/named/of-a-caller/{caller_id}")
            assert [item["code"] for item in answer.json()["items"]] == codes, answer.text

    async def test_are_searched(self, ann, path):
        await ann.post("/named", json={"code": "b"})
        found = (await ann.get("/named", params={"q": "mixed order", "sort": "-relevance"})).json()["items"]
        assert [item["code"] for item in found] == ["a"]

    async def test_come_back_from_the_trash(self, ann, path):
        assert (await ann.delete(path)).status_code == 204
        restored = await ann.post(f"{path}/restore")
        assert (restored.status_code, kept(restored.json())) == (200, SENT)


class TestAFieldThatCannotBeKept:
    @pytest.mark.parametrize("name", ["changes", "rows", "selectable", "allowed_actions", "purge_at", "anon_1"])
    def test_stops_the_start_with_a_sentence(self, name):
        with pytest.raises(ManifestError, match=rf"'named': a field of rows cannot be called '{name}', which"):
            demand_field_names(module_with(name))

    @pytest.mark.parametrize("name", ["n" * 64, "ß" * 32])
    def test_because_postgresql_would_cut_off_its_name_does_too(self, name):
        with pytest.raises(ManifestError, match=f"cannot be called '{name}': PostgreSQL cuts off"):
            demand_field_names(module_with(name))

    def test_is_none_of_those_that_are_kept(self):
        demand_field_names(MODULE)


def module_with(name):
    """A module with a resource of one such field."""

    class Rows(SQLModel):
        metadata = MetaData()
        __tablename__ = "rows"

    fields = {name: (str | None, None)}
    model = create_model(f"With_{name}", __base__=(Rows, Resource), __cls_kwargs__={"table": True}, **fields)
    repository = type("Odd", (), {"model": model, "resource": classmethod(lambda _: "rows")})
    return replace(MODULE, resources=(repository,))
