"""Restoring when a name was taken meanwhile: the problem names what is in the way, to whom may see it."""

import pytest

from modules.projects.models import Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory


def refused(answer, code):
    """The row in the way, of an answer that says so."""
    assert (answer.status_code, answer.json()["code"]) == (409, code), answer.text
    return answer.json().get("obstacle")


class TestARow:
    async def test_is_kept_out_by_the_project_that_has_its_external_id(self, ann, bob):
        old, new, unnamed = [await ProjectFactory.saved(owner_id=ann.id, external_id=key) for key in ("42", "43", None)]
        await ProjectFactory.saved(owner_id=bob.id, external_id="42")
        await ann.delete(f"/projects/{old.id}")
        await ann.patch(f"/projects/{new.id}", json={"external_id": "42"})
        answer = await ann.post(f"/projects/{old.id}/restore")
        assert refused(answer, "external_id_taken") == {"resource": "projects", "id": str(new.id)}
        await ann.delete(f"/projects/{unnamed.id}")
        assert (await ann.post(f"/projects/{unnamed.id}/restore")).status_code == 200

    async def test_is_kept_out_by_the_tag_that_has_its_slug(self, ann):
        old = await TagFactory.saved(owner_id=ann.id, slug="now")
        await ann.delete(f"/tags/{old.id}")
        new = (await ann.post("/tags", json={"name": "Now"})).json()
        answer = await ann.post(f"/tags/{old.id}/restore")
        assert refused(answer, "slug_taken") == {"resource": "tags", "id": new["id"]}
        await ann.delete(f"/tags/{new['id']}")
        assert (await ann.post(f"/tags/{old.id}/restore")).status_code == 200

    async def test_is_kept_out_by_the_account_that_has_its_address_in_whatever_case(self, admin, ann):
        await ann.delete("/users/me")
        heir = await UserFactory.saved(email="ANN@example.com")
        answer = await admin.post(f"/users/{ann.id}/restore")
        assert refused(answer, "email_taken") == {"resource": "users", "id": str(heir.id)}

    async def test_stays_deleted_then_and_the_other_as_it_was(self, ann):
        old = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        await ann.delete(f"/projects/{old.id}")
        new = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        before = (await ann.get(f"/projects/{new.id}")).content
        assert refused(await ann.post(f"/projects/{old.id}/restore"), "external_id_taken")
        assert (await ann.get(f"/projects/{old.id}")).status_code == 404
        assert (await ann.get(f"/projects/{new.id}")).content == before

    async def test_tells_a_dry_run_the_same(self, ann):
        old = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        await ann.delete(f"/projects/{old.id}")
        new = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        answer = await ann.post(f"/projects/{old.id}/restore?dry_run=true")
        assert refused(answer, "external_id_taken") == {"resource": "projects", "id": str(new.id)}

    async def test_tells_a_batch_the_same(self, ann):
        old = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        await ann.delete(f"/projects/{old.id}")
        new = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        operations = [{"method": "POST", "path": f"/projects/{old.id}/restore"}]
        answer = await ann.post("/batch", json={"operations": operations})
        assert answer.json()["problem"]["obstacle"] == {"resource": "projects", "id": str(new.id)}


class TestWhoMayNotSeeWhatIsInTheWay:
    @pytest.mark.parametrize("sees", [False, True])
    async def test_is_told_no_more_than_that_something_is(self, ann, bob, sees):
        """A co-owner sees the owner's projects that are shared with them, and no others."""
        old = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        await MemberFactory.saved(project_id=old.id, user_id=bob.id, role=Role.OWNER)
        await bob.delete(f"/projects/{old.id}")
        new = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        if sees:
            await MemberFactory.saved(project_id=new.id, user_id=bob.id, role=Role.VIEWER)
        obstacle = refused(await bob.post(f"/projects/{old.id}/restore"), "external_id_taken")
        assert obstacle == ({"resource": "projects", "id": str(new.id)} if sees else None)

    async def test_is_told_no_member_of_that_name(self, ann, bob):
        old = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        await MemberFactory.saved(project_id=old.id, user_id=bob.id, role=Role.OWNER)
        await bob.delete(f"/projects/{old.id}")
        await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        assert "obstacle" not in (await bob.post(f"/projects/{old.id}/restore")).json()


class TestAnAccountWithWhatBelongsToIt:
    @pytest.mark.parametrize(
        ("resource", "factory", "name", "code"),
        [
            ("projects", ProjectFactory, {"external_id": "42"}, "external_id_taken"),
            ("tags", TagFactory, {"slug": "now"}, "slug_taken"),
        ],
    )
    async def test_is_kept_out_by_one_row_and_the_problem_tells_which(  # noqa: PLR0917 (a case has four parts)
        self, admin, ann, resource, factory, name, code
    ):
        rows = [await factory.saved(owner_id=ann.id, **name), await factory.saved(owner_id=ann.id)]
        await ann.delete("/users/me")
        new = await factory.saved(owner_id=ann.id, **name)
        answer = await admin.post(f"/users/{ann.id}/restore")
        assert refused(answer, code) == {"resource": resource, "id": str(new.id)}
        assert (await admin.get(f"/users/{ann.id}")).status_code == 404, "All of it, or none."
        await admin.delete(f"/{resource}/{new.id}")
        assert (await admin.post(f"/users/{ann.id}/restore")).status_code == 200
        assert [(await admin.get(f"/{resource}/{row.id}")).status_code for row in rows] == [200, 200]
