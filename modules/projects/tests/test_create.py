"""Making a project: what one may send, and what comes back."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from httpx2 import Response

from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from tests.callers import Caller

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def ann(signed_in: Callable[..., Awaitable[Caller]]) -> Caller:
    return await signed_in(full_name="Ann")


BAD: dict[str, list[object]] = {
    "name": [None, "", "  ", "x" * 201, 1, "a\0b", "a\nb", "\x1b[0m", "\u200b"],
    "external_id": ["", "x" * 201, 1, "a\0b", "42\n"],
    "description": ["x" * 10_001, 1, "a\0b"],
    "status": [None, "", "Active", "deleted", 1],
    "starts_on": ["2026-02-29", "tomorrow", "0000-01-01", "10000-01-01", []],
    "due_on": ["2026-13-01", "", {}, 0, 1.5, True, "0", "2026-01-01T00:00:00Z", "20260101"],
    "tag_ids": [None, "x", {}, 1, [str(uuid4()) for _ in range(101)]],
}


def wrong(response: Response) -> list[tuple[str, str]]:
    """What is wrong where in the input, of an answer that says so."""
    assert response.status_code == 422, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    return [(error["pointer"], error["code"]) for error in response.json()["errors"]]


async def keeps_nothing(caller: Caller) -> bool:
    return bool((await caller.get("/projects")).json()["items"] == [])


class TestAnswer:
    async def test_it_is_the_whole_document(self, ann: Caller) -> None:
        tag = await TagFactory.saved(owner_id=ann.id, name="Urgent", slug="now", color="#ff0000")
        sent = {
            "external_id": "crm/42",
            "name": "Relaunch",
            "description": "New colours.\nNew words.",
            "status": "paused",
            "starts_on": "2026-02-28",
            "due_on": "2026-03-01",
        }
        created = await ann.post("/projects", json={**sent, "tag_ids": [str(tag.id)]})
        assert created.status_code == 201, created.text
        project = created.json()
        assert UUID(project.pop("id")).version == 7
        assert project.pop("created_at") == project.pop("updated_at")
        assert project == {
            **sent,
            "owner_id": str(ann.id),
            "tags": [{"id": str(tag.id), "name": "Urgent", "slug": "now", "color": "#ff0000"}],
            "my_role": "owner",
            "version": 1,
        }

    async def test_all_but_the_name_has_a_default(self, ann: Caller) -> None:
        project = (await ann.post("/projects", json={"name": "Relaunch"})).json()
        assert project["status"] == "active"
        assert project["tags"] == []
        optional = {"external_id", "description", "starts_on", "due_on"}
        assert {name for name, value in project.items() if value is None} == optional


class TestFields:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", "x"),
            ("name", "é" * 200),
            ("external_id", "x"),
            ("external_id", "/" * 200),
            ("external_id", " exactly as sent "),
            ("description", ""),
            ("description", "🎉" * 10_000),
            *(("status", status) for status in ("active", "paused", "completed", "archived")),
            ("starts_on", "0001-01-01"),
            ("due_on", "9999-12-31"),
        ],
    )
    async def test_they_take(self, ann: Caller, field: str, value: str) -> None:
        created = await ann.post("/projects", json={"name": "Relaunch", field: value})
        assert created.status_code == 201, created.text
        assert created.json()[field] == value

    @pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
    async def test_they_refuse(self, ann: Caller, field: str, value: object) -> None:
        refused = await ann.post("/projects", json={"name": "Relaunch", field: value})
        assert [pointer for pointer, _ in wrong(refused)] == [f"/{field}"]
        assert await keeps_nothing(ann)

    async def test_a_name_is_needed_and_loses_the_white_space_around_it(self, ann: Caller) -> None:
        assert wrong(await ann.post("/projects", json={})) == [("/name", "missing")]
        assert (await ann.post("/projects", json={"name": " \n Relaunch\t"})).json()["name"] == "Relaunch"

    @pytest.mark.parametrize("field", ["id", "owner_id", "tags", "my_role", "version", "deleted_at", "nonsense"])
    async def test_unknown_ones_are_refused(self, ann: Caller, field: str) -> None:
        refused = await ann.post("/projects", json={"name": "Relaunch", field: "x"})
        assert [pointer for pointer, _ in wrong(refused)] == [f"/{field}"]

    @pytest.mark.parametrize("field", ["name", "description", "external_id"])
    async def test_half_a_character_is_refused(self, ann: Caller, field: str) -> None:
        body = b'{"name": "x", "%b": "\\udfff"}' % field.encode()
        refused = await ann.post("/projects", content=body, headers={"Content-Type": "application/json"})
        assert [pointer for pointer, _ in wrong(refused)] == [f"/{field}"]


class TestDates:
    async def test_a_project_may_last_all_the_years_there_are(self, ann: Caller) -> None:
        body = {"name": "Relaunch", "starts_on": "0001-01-01", "due_on": "9999-12-31"}
        made = await ann.post("/projects", json=body)
        assert made.status_code == 201
        assert made.json().items() >= body.items()
        assert (await ann.get(f"/projects/{made.json()['id']}")).content == made.content

    @pytest.mark.parametrize("due_on", ["2026-02-28", "2026-03-01"])
    async def test_a_project_may_be_due_when_it_starts_or_later(self, ann: Caller, due_on: str) -> None:
        body = {"name": "Relaunch", "starts_on": "2026-02-28", "due_on": due_on}
        assert (await ann.post("/projects", json=body)).status_code == 201

    @pytest.mark.parametrize("with_tags", [False, True])
    async def test_a_project_is_not_due_before_it_starts(self, ann: Caller, *, with_tags: bool) -> None:
        tag_ids = [str((await TagFactory.saved(owner_id=ann.id)).id)] if with_tags else []
        body = {"name": "Relaunch", "starts_on": "2026-03-01", "due_on": "2026-02-28", "tag_ids": tag_ids}
        refused = await ann.post("/projects", json=body)
        assert wrong(refused) == [("/due_on", "dates_out_of_order")]
        assert refused.json()["code"] == "dates_out_of_order"
        assert await keeps_nothing(ann)


class TestExternalId:
    async def test_many_may_have_none(self, ann: Caller) -> None:
        assert [(await ann.post("/projects", json={"name": "x"})).status_code for _ in range(2)] == [201, 201]


class TestTags:
    async def test_they_come_by_name_and_those_named_twice_once(self, ann: Caller) -> None:
        tags = [await TagFactory.saved(owner_id=ann.id, name=name) for name in ("c", "a", "b")]
        ids = [str(tag.id) for tag in tags]
        created = await ann.post("/projects", json={"name": "Relaunch", "tag_ids": ids + ids})
        assert [tag["name"] for tag in created.json()["tags"]] == ["a", "b", "c"]

    async def test_those_that_cannot_be_attached_are_refused(self, ann: Caller) -> None:
        """Unknown, of somebody else, deleted: the three cannot be told apart."""
        good = await TagFactory.saved(owner_id=ann.id)
        foreign = await TagFactory.saved(owner_id=(await UserFactory.saved()).id)
        deleted = await TagFactory.saved(owner_id=ann.id, deleted_at=NOON)
        details = set()
        for bad in (uuid4(), foreign.id, deleted.id):
            body = {"name": "Relaunch", "external_id": "42", "tag_ids": [str(good.id), str(bad)]}
            refused = await ann.post("/projects", json=body)
            assert wrong(refused) == [("/tag_ids/1", "tag_not_attachable")]
            assert refused.json()["code"] == "tag_not_attachable"
            details.add(refused.json()["detail"])
            assert await keeps_nothing(ann)
        assert len(details) == 1
        assert (await ann.post("/projects", json={"name": "Relaunch", "external_id": "42"})).status_code == 201

    async def test_the_pointer_leads_into_the_list_as_it_was_sent(self, ann: Caller) -> None:
        good = str((await TagFactory.saved(owner_id=ann.id)).id)
        refused = await ann.post("/projects", json={"name": "Relaunch", "tag_ids": [good, good, str(uuid4())]})
        assert wrong(refused) == [("/tag_ids/2", "tag_not_attachable")]

    async def test_an_id_that_is_none_is_pointed_at(self, ann: Caller) -> None:
        refused = await ann.post("/projects", json={"name": "Relaunch", "tag_ids": [str(uuid4()), "urgent"]})
        assert [pointer for pointer, _ in wrong(refused)] == ["/tag_ids/1"]
