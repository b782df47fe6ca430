"""Sorting: the order of every page and across pages, with ties and nulls, whatever the sort."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.projects.models import Project, ProjectMember, Role, Status
from modules.projects.tests.factories import ProjectFactory
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from tests.contract.reading import NOON, ids, items, ordered, projects_of, refused, shared_with, walk

SORTS = {
    "/projects": ("created_at", "updated_at", "name", "status", "starts_on", "due_on"),
    "/tags": ("created_at", "updated_at", "name", "slug"),
    "/users": ("created_at", "updated_at", "email", "full_name"),
}
EVERY_SORT = [(path, sign + name) for path, names in SORTS.items() for name in names for sign in ("", "-")]
DAYS = [None, date(2026, 1, 1), date(2026, 1, 2)]
STATUSES = list(Status)


@pytest.fixture
async def caller(admin, bob):
    """An administrator with rows in every list that tie in every field, own and shared ones in turn."""
    for n in range(8):
        times = {"created_at": NOON + timedelta(microseconds=n // 4), "updated_at": NOON + timedelta(days=n % 2)}
        starts_on, due_on = DAYS[n % 3], DAYS[2] if n % 4 else None
        owner = (admin, bob)[n % 2]
        dates = {"starts_on": starts_on, "due_on": due_on, "status": STATUSES[n % 4]}
        project = await ProjectFactory.saved(owner_id=owner.id, name=f"project {'abc'[n % 3]}", **dates, **times)
        if owner is bob:
            await shared_with(admin, project, Role.EDITOR)
        await TagFactory.saved(owner_id=admin.id, name=f"tag {'abc'[n % 3]}", **times)
        await UserFactory.saved(full_name=f"user {'abc'[n % 3]}", **times)
    return admin


class TestEverySort:
    @pytest.mark.parametrize(("path", "sort"), EVERY_SORT)
    async def test_orders_the_list_at_any_size_of_its_pages(self, caller, path, sort):
        expected = [item["id"] for item in ordered(items(await caller.get(path)), sort)]
        assert len(expected) >= 8
        assert ids(await caller.get(path, params={"sort": sort})) == expected
        for limit in (1, 2, 3):
            assert [item["id"] for item in await walk(caller, path, sort=sort, limit=limit)] == expected, limit

    @pytest.mark.parametrize(
        "sort",
        [
            "-starts_on,due_on", "starts_on,-due_on", "-starts_on,-due_on", "due_on,starts_on,-name",
            "status,-created_at",
            "-created_at,name", "name,-starts_on,status,-due_on,created_at,-updated_at", "-status,starts_on",
        ],
    )  # fmt: skip
    async def test_may_have_several_fields_in_mixed_directions(self, caller, sort):
        expected = ordered(items(await caller.get("/projects")), sort)
        for limit in (1, 2, 3, 100):
            assert await walk(caller, "/projects", sort=sort, limit=limit) == expected, limit

    @pytest.mark.parametrize("path", SORTS)
    async def test_is_by_default_the_newest_first(self, caller, path):
        everything = items(await caller.get(path))
        assert everything == ordered(everything, "-created_at")

    async def test_places_nulls_as_the_greatest(self, ann):
        for day in DAYS:
            await ProjectFactory.saved(owner_id=ann.id, due_on=day)
        for sort, expected in (
            ("due_on", ["2026-01-01", "2026-01-02", None]),
            ("-due_on", [None, "2026-01-02", "2026-01-01"]),
        ):
            assert [item["due_on"] for item in await walk(ann, "/projects", sort=sort, limit=1)] == expected

    @pytest.mark.parametrize("path", SORTS)
    @pytest.mark.parametrize(
        "sort",
        [
            "",
            ",",
            "-",
            "--name",
            "colour",
            "name,",
            "name,name",
            "name,-name",
            "+name",
            "name asc",
            "search",
            "id;",
            "my_role",
            "-name,relevance",
        ],
    )
    async def test_that_is_none_is_refused_with_those_there_are(self, admin, path, sort):
        message = refused(await admin.get(path, params={"sort": sort}), "sort")
        assert all(name in message for name in SORTS[path])


ROW = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b"]),
        "status": st.sampled_from([Status.ACTIVE, Status.PAUSED]),
        "starts_on": st.sampled_from([None, DAYS[1]]),
        "due_on": st.sampled_from(DAYS),
        "created_at": st.sampled_from([NOON, NOON + timedelta(microseconds=1)]),
        "updated_at": st.sampled_from([NOON, NOON + timedelta(days=9)]),
    }
)
ANY_SORT = st.permutations(SORTS["/projects"]).flatmap(
    lambda names: st.lists(st.sampled_from(["", "-"]), min_size=1, max_size=3).map(
        lambda signs: ",".join(sign + name for sign, name in zip(signs, names, strict=False))
    )
)


class TestAnyRows:
    @given(rows=st.lists(st.tuples(ROW, st.booleans()), max_size=9), asked=st.tuples(ANY_SORT, st.integers(1, 3)))
    @settings(max_examples=40)
    async def test_are_walked_through_once_each_in_order(self, ann, bob, database, rows, asked):
        """Own ones and shared ones: the listing merges them."""
        async with database.forgetting():
            async with database.orm() as session:
                projects = [Project(owner_id=(bob if shared else ann).id, **columns) for columns, shared in rows]
                session.add_all(projects)
                await session.flush()
                shared = [project.id for project, (_, shared) in zip(projects, rows, strict=True) if shared]
                session.add_all(ProjectMember(project_id=id, user_id=ann.id, role=Role.VIEWER) for id in shared)
            everything = items(await ann.get("/projects", params={"limit": 100}))
            assert {item["id"] for item in everything} == {str(project.id) for project in projects}
            sort, limit = asked
            assert await walk(ann, "/projects", sort=sort, limit=limit) == ordered(everything, sort)


class TestWalking:
    @pytest.mark.parametrize("sort", ["-created_at", "created_at", "name", "-due_on,name", "due_on"])
    async def test_is_not_disturbed_by_rows_that_come_meanwhile(self, ann, sort):
        for n in range(6):
            await ProjectFactory.saved(
                owner_id=ann.id, name=f"b{n // 2}", due_on=DAYS[n % 3], created_at=NOON + timedelta(minutes=n // 2)
            )
        expected = [item["id"] for item in await walk(ann, "/projects", sort=sort)]
        page = await ann.get("/projects", params={"sort": sort, "limit": 2})
        found, new = ids(page), set()
        while cursor := page.json()["next_cursor"]:
            for offset, due_on in ((-1, None), (1, DAYS[1]), (99, DAYS[2])):
                columns = {"name": f"b{offset}", "due_on": due_on, "created_at": NOON + timedelta(minutes=offset)}
                new.add(str((await ProjectFactory.saved(owner_id=ann.id, **columns)).id))
            page = await ann.get("/projects", params={"sort": sort, "limit": 2, "cursor": cursor})
            found += ids(page)
            assert len(found) < 100
        assert [id for id in found if id not in new] == expected
        assert len(set(found)) == len(found)

    @pytest.mark.parametrize("name", ["😀" * 200, '"' * 200, "\\" * 200, "ü" * 200], ids=lambda name: name[0])
    async def test_goes_on_after_the_longest_of_names(self, ann, name):
        for _ in range(3):
            await ProjectFactory.saved(owner_id=ann.id, name=name)
        expected = [item["id"] for item in ordered(items(await ann.get("/projects")), "name,-status,due_on")]
        found = await walk(ann, "/projects", sort="name,-status,due_on", limit=1)
        assert [item["id"] for item in found] == expected

    async def test_goes_on_after_the_longest_of_accounts(self, admin):
        for n in range(3):
            await UserFactory.saved(full_name="😀" * 200, email=f"{'ü' * 240}{n}@example.com")
        found = await walk(admin, "/users", sort="-full_name,email", limit=1)
        assert [item["id"] for item in found] == [item["id"] for item in ordered(found, "-full_name,email")]
        assert len(found) == 4

    @pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.5Z"])
    async def test_goes_on_after_the_first_and_the_last_of_times(self, ann, at, database):
        projects = await projects_of(ann, 3)
        await database.script(f"UPDATE projects SET created_at = '{at}' WHERE owner_id = '{ann.id}'")
        found = await walk(ann, "/projects", limit=1)
        assert [item["id"] for item in found] == sorted((str(project.id) for project in projects), reverse=True)
