"""`fields` and `include`: what of a document is shown."""

import pytest

from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from tests.contract.reading import NOON, items, refused, shared_with

FIELDS = {
    "/projects": [
        "id", "external_id", "owner_id", "name", "description", "status", "starts_on", "due_on", "tags", "my_role",
        "created_at", "updated_at", "version",
    ],
    "/tags": ["id", "owner_id", "name", "slug", "color", "project_count", "created_at", "updated_at", "version"],
    "/users": [
        "id", "email", "full_name", "role", "kind", "owner_id", "is_active", "email_verified", "created_at",
        "updated_at", "version",
    ],
}  # fmt: skip


@pytest.fixture
async def project(admin, bob):
    project = await ProjectFactory.saved(owner_id=admin.id, created_at=NOON)
    tag = await TagFactory.saved(owner_id=admin.id)
    await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    return await shared_with(bob, project)


@pytest.fixture
def documents(admin, project):
    """How a test reads one document in both ways: alone, and in the list."""

    async def read(path, **params):
        listed = items(await admin.get(path, params=params | {"sort": "created_at"}))[-1]
        whole = items(await admin.get(path, params={"sort": "created_at"}))[-1]
        single = await admin.get(f"{path}/{whole['id']}", params=params)
        assert single.status_code == 200, single.text
        return whole, single.json(), listed

    return read


class TestFields:
    @pytest.mark.parametrize("path", FIELDS)
    async def test_are_all_by_default_in_the_schemas_order(self, documents, path):
        for document in await documents(path):
            assert list(document) == FIELDS[path]

    @pytest.mark.parametrize(("path", "field"), [(path, field) for path, fields in FIELDS.items() for field in fields])
    async def test_may_be_any_one_alone(self, documents, path, field):
        whole, single, listed = await documents(path, fields=field)
        assert single == listed == {field: whole[field]}

    @pytest.mark.parametrize("path", FIELDS)
    async def test_come_in_the_schemas_order_whatever_was_asked_for(self, documents, path):
        for asked in (FIELDS[path][::-1], FIELDS[path][3:0:-1], [FIELDS[path][1]] * 3):
            _, single, listed = await documents(path, fields=",".join(asked))
            assert list(single) == list(listed) == [name for name in FIELDS[path] if name in asked]

    @pytest.mark.parametrize("path", FIELDS)
    @pytest.mark.parametrize(
        "fields", ["", ",", "id,", ",id", "ID", "id name", "search", "password_hash", "deletion_id", "id,x", "*", "id;"]
    )
    async def test_that_are_none_are_refused_with_those_there_are(self, admin, project, path, fields):
        for where in (path, f"{path}/{admin.id if path == '/users' else project.id}"):
            message = refused(await admin.get(where, params={"fields": fields}), "fields")
            assert all(field in message for field in FIELDS[path])

    async def test_of_ones_own_account_are_the_same(self, admin):
        assert (await admin.get("/users/me", params={"fields": "version,email"})).json() == {
            "email": "zoe@example.com",
            "version": 1,
        }

    async def test_need_not_have_what_the_list_is_sorted_or_filtered_by(self, admin, project):
        params = {"fields": "version", "sort": "name", "name": project.name, "limit": 1}
        assert items(await admin.get("/projects", params=params)) == [{"version": 1}]


class TestInclude:
    async def test_is_embedded_in_single_reads_and_in_lists(self, documents, admin, bob):
        whole, single, listed = await documents("/projects", include="owner,members")
        owner = {"id": str(admin.id), "full_name": "Zoe"}
        members = [(owner, "owner"), ({"id": str(bob.id), "full_name": "Bob"}, "viewer")]
        assert single == listed
        assert single.keys() - whole.keys() == {"owner", "members"}
        assert single["owner"] == owner
        assert [(member["user"], member["role"]) for member in single["members"]] == members
        assert [list(member) for member in single["members"]] == [["user", "role", "since"]] * 2
        assert single["members"][0]["since"] == "2026-01-01T12:00:00+00:00"
        assert {name: value for name, value in single.items() if name in whole} == whole

    async def test_of_members_is_the_list_of_members(self, admin, project):
        document = (await admin.get(f"/projects/{project.id}", params={"include": "members"})).json()
        assert document["members"] == items(await admin.get(f"/projects/{project.id}/members"))

    async def test_may_be_one_alone_and_in_any_order(self, documents):
        whole, single, listed = await documents("/projects", include="owner")
        assert single.keys() == listed.keys() == whole.keys() | {"owner"}
        _, one, _ = await documents("/projects", include="owner,members")
        _, other, _ = await documents("/projects", include="members,owner,members")
        assert list(one.items()) == list(other.items())

    async def test_is_shown_with_a_choice_of_fields(self, documents):
        _, single, listed = await documents("/projects", include="members,owner", fields="version,id")
        assert list(single) == list(listed) == ["id", "owner", "members", "version"]

    @pytest.mark.parametrize(
        "include", ["", ",", "owner,", "tags", "name", "x", "Owner", "owner.email", "members.user"]
    )
    async def test_of_what_is_none_is_refused_with_what_there_is(self, admin, project, include):
        for path in ("/projects", f"/projects/{project.id}"):
            message = refused(await admin.get(path, params={"include": include}), "include")
            assert "owner" in message
            assert "members" in message

    @pytest.mark.parametrize("path", ["/tags", "/users", "/users/me"])
    async def test_is_refused_where_nothing_can_be_embedded(self, admin, project, path):
        refused(await admin.get(path, params={"include": "owner"}), "include")

    async def test_is_no_field(self, admin, project):
        refused(await admin.get("/projects", params={"fields": "id,owner"}), "fields")

    async def test_says_nothing_of_an_account_beyond_its_name(self, bob, project):
        text = (await bob.get(f"/projects/{project.id}", params={"include": "owner,members"})).text
        assert "example.com" not in text


class TestASingleRead:
    @pytest.mark.parametrize("name", ["limit", "sort", "q", "count", "deleted", "tag", "status", "x", ""])
    async def test_takes_no_other_parameter(self, admin, project, name):
        tag = items(await admin.get("/tags"))[0]["id"]
        for path in (f"/projects/{project.id}", f"/tags/{tag}", f"/users/{admin.id}", "/users/me"):
            refused(await admin.get(path, params={name: "x"}), name)

    @pytest.mark.parametrize("name", ["fields", "include"])
    async def test_takes_several_by_comma_or_repeated(self, admin, project, name):
        one, two = {"fields": ("id", "name"), "include": ("owner", "members")}[name]
        path = f"/projects/{project.id}"
        by_comma = await admin.get(path, params={name: f"{one},{two}"})
        for params in ([(name, one), (name, two)], [(name, two), (name, f"{one},{two}")]):
            repeated = await admin.get(path, params=params)
            assert (repeated.status_code, repeated.content) == (200, by_comma.content)
            assert repeated.headers["ETag"] == by_comma.headers["ETag"]
        refused(await admin.get(path, params=[(name, one), (name, "nonsense")]), name)
