"""Changing a project: a merge patch, by its owners and editors."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from httpx2 import AsyncClient
from uuid_utils.compat import uuid7

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import Role as AccountRole
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def project(ann: Caller) -> Project:
    return await ProjectFactory.saved(
        owner_id=ann.id,
        external_id="42",
        name="Relaunch",
        description="New colours.",
        starts_on=date(2026, 2, 1),
        due_on=date(2026, 3, 1),
    )


@pytest.fixture
async def tags(ann: Caller, project: Project) -> list[Tag]:
    """Three of Ann's tags, of which the first two are on the project."""
    tags = [await TagFactory.saved(owner_id=ann.id, name=name) for name in "abc"]
    for tag in tags[:2]:
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    return tags


def names(document: dict[str, Any]) -> list[str]:
    return [tag["name"] for tag in document["tags"]]


class TestPatch:
    @pytest.mark.parametrize(
        ("field", "sent", "kept"),
        [
            ("name", " Launch ", "Launch"),
            ("external_id", "43", "43"),
            ("external_id", None, None),
            ("description", "", ""),
            ("description", None, None),
            ("status", "archived", "archived"),
            ("starts_on", "2026-03-01", "2026-03-01"),
            ("starts_on", None, None),
            ("due_on", "2026-02-01", "2026-02-01"),
            ("due_on", None, None),
        ],
    )
    async def test_it_changes_what_it_names_and_nothing_else(
        self, ann: Caller, project: Project, field: str, sent: str | None, kept: str | None
    ) -> None:
        before = (await ann.get(f"/projects/{project.id}")).json()
        patched = await ann.patch(f"/projects/{project.id}", json={field: sent})
        assert patched.status_code == 200, patched.text
        after = patched.json()
        assert after[field] == kept
        assert {name for name in after if after[name] != before[name]} == {field, "version", "updated_at"}

    async def test_the_answer_equals_every_later_read_byte_for_byte(
        self, ann: Caller, project: Project, tags: list[Tag]
    ) -> None:
        body = {"name": "Später 🎉", "tag_ids": [str(tags[2].id)]}
        patched = await ann.patch(f"/projects/{project.id}", json=body)
        assert (await ann.get(f"/projects/{project.id}")).content == patched.content

    @pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json"])
    async def test_it_is_a_merge_patch_or_plain_json(self, ann: Caller, project: Project, media_type: str) -> None:
        headers = {"Content-Type": media_type}
        patched = await ann.patch(f"/projects/{project.id}", content=b'{"description": null}', headers=headers)
        assert patched.status_code == 200
        assert patched.json()["description"] is None

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("name", value) for value in (None, "", "x" * 201)),
            *(("status", value) for value in (None, "deleted")),
            *(("tag_ids", value) for value in (None, "x")),
            ("external_id", "x" * 201),
            ("description", "x" * 10_001),
            ("starts_on", "soon"),
            ("owner_id", None),
            ("nonsense", 1),
        ],
    )
    async def test_it_refuses(self, ann: Caller, project: Project, field: str, value: object) -> None:
        before = await ann.get(f"/projects/{project.id}")
        refused = await ann.patch(f"/projects/{project.id}", json={"name": "Launch", field: value})
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{field}"]
        assert (await ann.get(f"/projects/{project.id}")).content == before.content

    @pytest.mark.parametrize(
        "body",
        [{"starts_on": "2026-03-02"}, {"due_on": "2026-01-31"}, {"name": "x", "due_on": "2026-01-31", "tag_ids": []}],
    )
    async def test_one_date_alone_stays_in_order_with_the_other(
        self, ann: Caller, project: Project, tags: list[Tag], body: dict[str, Any]
    ) -> None:
        before = await ann.get(f"/projects/{project.id}")
        refused = await ann.patch(f"/projects/{project.id}", json=body)
        assert refused.status_code == 422
        problem = refused.json()
        assert problem["code"] == "dates_out_of_order"
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/due_on", "dates_out_of_order")]
        assert (await ann.get(f"/projects/{project.id}")).content == before.content

    async def test_an_external_id_of_another_of_ones_own_is_taken(self, ann: Caller, project: Project) -> None:
        await ProjectFactory.saved(owner_id=ann.id, external_id="43")
        refused = await ann.patch(f"/projects/{project.id}", json={"external_id": "43"})
        assert refused.status_code == 409
        assert refused.json()["code"] == "external_id_taken"
        assert (await ann.get(f"/projects/{project.id}")).json()["external_id"] == "42"


class TestTagIds:
    async def test_they_replace_all(self, ann: Caller, project: Project, tags: list[Tag]) -> None:
        sent = [str(tags[2].id), str(tags[1].id), str(tags[2].id)]
        patched = await ann.patch(f"/projects/{project.id}", json={"tag_ids": sent})
        assert names(patched.json()) == ["b", "c"]

    async def test_none_take_all_away(self, ann: Caller, project: Project, tags: list[Tag]) -> None:
        assert names((await ann.patch(f"/projects/{project.id}", json={"tag_ids": []})).json()) == []

    async def test_they_leave_other_projects_alone(self, ann: Caller, project: Project, tags: list[Tag]) -> None:
        other = await ProjectFactory.saved(owner_id=ann.id)
        await ProjectTagFactory.saved(project_id=other.id, tag_id=tags[0].id)
        await ann.patch(f"/projects/{project.id}", json={"tag_ids": []})
        assert names((await ann.get(f"/projects/{other.id}")).json()) == ["a"]

    async def test_one_that_cannot_be_attached_is_refused_with_the_rest(
        self, ann: Caller, project: Project, tags: list[Tag]
    ) -> None:
        before = await ann.get(f"/projects/{project.id}")
        body = {"name": "Launch", "tag_ids": [str(tags[2].id), str(uuid7())]}
        refused = await ann.patch(f"/projects/{project.id}", json=body)
        assert refused.status_code == 422
        errors = refused.json()["errors"]
        assert [(error["pointer"], error["code"]) for error in errors] == [("/tag_ids/1", "tag_not_attachable")]
        assert (await ann.get(f"/projects/{project.id}")).content == before.content

    async def test_a_tag_that_is_on_the_project_may_stay_whoever_put_it_there(
        self, ann: Caller, project: Project, signed_in: SignIn
    ) -> None:
        """What one has read one may write back: keeping a tag is not attaching it."""
        eve = await signed_in(full_name="Eve")
        await MemberFactory.saved(project_id=project.id, user_id=eve.id, role=Role.EDITOR)
        tag = await TagFactory.saved(owner_id=eve.id)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        kept = [tag["id"] for tag in (await ann.get(f"/projects/{project.id}")).json()["tags"]]
        patched = await ann.patch(f"/projects/{project.id}", json={"tag_ids": kept})
        assert patched.status_code == 200, patched.text


class TestWhoMay:
    @pytest.mark.parametrize("role", [Role.EDITOR, Role.OWNER])
    async def test_editors_and_co_owners_may(
        self, ann: Caller, project: Project, signed_in: SignIn, role: Role
    ) -> None:
        eve = await signed_in()
        await MemberFactory.saved(project_id=project.id, user_id=eve.id, role=role)
        patched = await eve.patch(f"/projects/{project.id}", json={"name": "Launch"})
        assert patched.status_code == 200
        assert patched.json()["my_role"] == role.value
        assert (await ann.get(f"/projects/{project.id}")).json()["name"] == "Launch"

    async def test_a_viewer_may_not(self, ann: Caller, project: Project, signed_in: SignIn) -> None:
        vic = await signed_in()
        await MemberFactory.saved(project_id=project.id, user_id=vic.id, role=Role.VIEWER)
        refused = await vic.patch(f"/projects/{project.id}", json={"name": "Mine"})
        assert refused.status_code == 403
        assert refused.json()["code"] == "project_forbidden"
        assert (await ann.get(f"/projects/{project.id}")).json()["name"] == "Relaunch"

    async def test_an_administrator_may(self, project: Project, signed_in: SignIn) -> None:
        admin = await signed_in(role=AccountRole.ADMIN)
        patched = await admin.patch(f"/projects/{project.id}", json={"name": "Launch"})
        assert patched.json()["my_role"] == "admin"
        assert patched.json()["name"] == "Launch"

    async def test_to_a_stranger_it_is_like_one_that_never_was(self, ann: Caller, signed_in: SignIn) -> None:
        sam, id = await signed_in(), uuid7()
        request: dict[str, Any] = {"json": {"name": "Mine"}, "headers": {"X-Request-ID": "same"}}
        before = await sam.patch(f"/projects/{id}", **request)
        await ProjectFactory.saved(id=id, owner_id=ann.id)
        after = await sam.patch(f"/projects/{id}", **request)
        assert before.status_code == 404
        assert after.content == before.content

    async def test_nobody_may_without_credentials(self, client: AsyncClient, project: Project) -> None:
        assert (await client.patch(f"/projects/{project.id}", json={})).status_code == 401
