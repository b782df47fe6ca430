"""Filters: every operator on every field that a collection declares, and `tag`."""

import json
from datetime import date, timedelta

import pytest

from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from tests.contract.reading import NOON, ids, items, refused, shared_with, value_of

SAME = ("eq", "ne", "in")
ORDERED = (*SAME, "lt", "lte", "gt", "gte")
TEXT = (*ORDERED, "contains")

FIELDS = {
    "/projects": {
        **dict.fromkeys(("id", "owner_id", "status"), SAME),
        **dict.fromkeys(("starts_on", "due_on", "created_at", "updated_at"), ORDERED),
        **dict.fromkeys(("name", "external_id"), TEXT),
    },
    "/tags": {
        **dict.fromkeys(("id", "owner_id"), SAME),
        **dict.fromkeys(("created_at", "updated_at"), ORDERED),
        **dict.fromkeys(("name", "slug", "color"), TEXT),
    },
    "/users": {
        **dict.fromkeys(("id", "role", "is_active", "email_verified"), SAME),
        **dict.fromkeys(("created_at", "updated_at"), ORDERED),
        **dict.fromkeys(("email", "full_name"), TEXT),
    },
}
EVERY_FIELD = [(path, field) for path, fields in FIELDS.items() for field in fields]

HOLDS = {
    "eq": lambda value, given: value == given,
    "ne": lambda value, given: value != given,
    "in": lambda value, given: value in given,
    "lt": lambda value, given: value is not None and value < given,
    "lte": lambda value, given: value is not None and value <= given,
    "gt": lambda value, given: value is not None and value > given,
    "gte": lambda value, given: value is not None and value >= given,
    "contains": lambda value, given: value is not None and given.lower() in value.lower(),
}
"""What each operator means. Of a null, only `ne` holds."""


@pytest.fixture
async def caller(admin, bob):
    """An administrator, who has all three lists, each with its own and others' rows."""
    january, february = date(2026, 1, 31), date(2026, 2, 28)
    days = [(None, january), (january, None), (february, february), (january, february)]
    for n, (name, status) in enumerate(zip("abcd", ("active", "paused", "active", "archived"), strict=True)):
        times = {"created_at": NOON + timedelta(microseconds=n // 2), "updated_at": NOON + timedelta(days=n % 3)}
        project = {"name": f"Project {name}", "status": status, "starts_on": days[n][0], "due_on": days[n][1]}
        owner, external_id = ((admin, None), (bob, "key1"), (admin, "key2"), (bob, None))[n]
        found = await ProjectFactory.saved(owner_id=owner.id, external_id=external_id, **project, **times)
        tag = await TagFactory.saved(owner_id=owner.id, name=f"tag {name}", slug=name, color=f"#00000{n % 2}", **times)
        await ProjectTagFactory.saved(project_id=found.id, tag_id=tag.id)
        if owner is bob:
            await shared_with(admin, found)
        await UserFactory.saved(full_name=f"user {name}", is_active=n > 1, email_verified=n % 2 == 0, **times)
    return admin


def written(value):
    if isinstance(value, list):
        return ",".join(map(written, value))
    return value if isinstance(value, str) else json.dumps(value)


class TestEveryOperator:
    @pytest.mark.parametrize(("path", "field"), EVERY_FIELD)
    async def test_keeps_the_rows_for_which_it_holds_in_their_order(self, caller, path, field):
        everything = items(await caller.get(path))
        assert len(everything) >= 4
        texts = sorted({item[field] for item in everything if item[field] is not None})
        for operator in FIELDS[path][field]:
            for text in texts[:3]:
                given = {"in": [text, texts[-1]], "contains": written(text)[1:-1].upper()}.get(operator, text)
                bound = (
                    value_of({field: given}, field)
                    if operator != "in"
                    else [value_of({field: t}, field) for t in given]
                )
                expected = [item["id"] for item in everything if HOLDS[operator](value_of(item, field), bound)]
                found = await caller.get(path, params={f"{field}[{operator}]": written(given)})
                assert ids(found) == expected, (operator, given)

    @pytest.mark.parametrize(("path", "field"), EVERY_FIELD)
    async def test_that_a_field_does_not_have_is_refused_with_those_it_has(self, admin, path, field):
        for operator in {*TEXT, "like", "EQ", "eq_", "isnull"} - set(FIELDS[path][field]):
            message = refused(await admin.get(path, params={f"{field}[{operator}]": "x"}), f"{field}[{operator}]")
            if operator in TEXT:
                assert all(allowed in message for allowed in FIELDS[path][field])

    @pytest.mark.parametrize(("path", "field"), EVERY_FIELD)
    async def test_may_be_left_out_for_eq(self, caller, path, field):
        values = [item[field] for item in items(await caller.get(path))]
        text = written(next(value for value in values if value is not None))
        implied, spelled = [await caller.get(path, params={name: text}) for name in (field, f"{field}[eq]")]
        assert ids(implied) == ids(spelled)

    @pytest.mark.parametrize("path", FIELDS)
    async def test_of_an_unknown_field_is_refused_with_the_fields(self, admin, path):
        for name in (
            "colour",
            "Name",
            "password_hash",
            "deleted_at",
            "search",
            "version",
            "eq",
            "[eq]",
            "name[eq",
            "",
            "é",
        ):
            message = refused(await admin.get(path, params={name: "x"}), name)
            assert all(field in message for field in FIELDS[path]), name


class TestNulls:
    async def test_are_not_equal_to_anything_but_differ_from_all(self, ann):
        kept = await ProjectFactory.saved(owner_id=ann.id, due_on=date(2026, 1, 1), external_id="x")
        null = await ProjectFactory.saved(owner_id=ann.id, due_on=None, external_id=None)
        for field, value in (("due_on", "2026-01-01"), ("external_id", "x")):
            for operator in ("eq", "in", "lte", "gte"):
                assert ids(await ann.get("/projects", params={f"{field}[{operator}]": value})) == [str(kept.id)]
            assert ids(await ann.get("/projects", params={f"{field}[ne]": value})) == [str(null.id)]
            for operator in ("lt", "gt"):
                assert ids(await ann.get("/projects", params={f"{field}[{operator}]": value})) == []


class TestIn:
    async def test_takes_a_hundred_values_and_no_more(self, ann):
        projects = [await ProjectFactory.saved(owner_id=ann.id, external_id=f"k{n}") for n in range(3)]
        many = [f"k{n}" for n in range(1, 101)]
        found = await ann.get("/projects", params={"external_id[in]": ",".join(many)})
        assert ids(found) == [str(projects[2].id), str(projects[1].id)]
        refused(await ann.get("/projects", params={"external_id[in]": ",".join([*many, "x"])}), "external_id[in]")

    async def test_judges_each_of_them(self, ann):
        refused(await ann.get("/projects", params={"status[in]": "active,done"}), "status[in]")
        refused(await ann.get("/projects", params={"status[in]": "active,"}), "status[in]")
        refused(await ann.get("/projects", params={"id[in]": ""}), "id[in]")


class TestContains:
    @pytest.mark.parametrize(
        ("part", "expected"),
        [
            ("%", ["100%"]),
            ("_", ["a_b"]),
            ("\\", ["c\\d"]),
            ("\\%", []),
            ("A_B", ["a_b"]),
            ("ÜBER", ["Über", "über"]),
            ("ber", ["Über", "über"]),
            ("'", ["o'clock"]),
            ("", ["100%", "a_b", "axb", "c\\d", "o'clock", "Über", "über"]),
        ],
    )
    async def test_takes_every_character_as_it_is_but_for_its_case(self, ann, part, expected):
        for name in ("100%", "axb", "a_b", "c\\d", "Über", "über", "o'clock"):
            await ProjectFactory.saved(owner_id=ann.id, name=name)
        found = items(await ann.get("/projects", params={"name[contains]": part}))
        assert sorted(item["name"] for item in found) == sorted(expected)


class TestInstants:
    async def test_are_the_same_in_any_offset(self, ann):
        project = await ProjectFactory.saved(owner_id=ann.id, created_at=NOON)
        for text in ("2026-01-01T12:00:00Z", "2026-01-01T14:30:00+02:30", "2026-01-01T00:00:00.000000-12:00"):
            assert ids(await ann.get("/projects", params={"created_at": text})) == [str(project.id)], text

    @pytest.mark.parametrize("offset", ["+23:59", "-23:59", "+15:59", "-16:00"])
    @pytest.mark.parametrize("year", ["0001-01-01", "2026-01-01", "9999-12-31"])
    async def test_with_a_far_offset_are_compared_as_well(self, ann, offset, year):
        """RFC 3339 §5.6 has offsets up to 23:59."""
        await ProjectFactory.saved(owner_id=ann.id, created_at=NOON)
        answer = await ann.get("/projects", params={"created_at[gte]": f"{year}T12:00:00{offset}"})
        # East of Greenwich it is noon earlier.
        is_later = {"0001-01-01": True, "2026-01-01": offset.startswith("+"), "9999-12-31": False}[year]
        assert len(ids(answer)) == is_later


class TestTag:
    @pytest.fixture
    async def projects(self, ann):
        """Named by the tags that they carry."""
        tags = {slug: await TagFactory.saved(owner_id=ann.id, slug=slug) for slug in ("a", "b", "c")}
        for name in ("a", "ab", "abc", "c"):
            project = await ProjectFactory.saved(owner_id=ann.id, name=name)
            for slug in name:
                await ProjectTagFactory.saved(project_id=project.id, tag_id=tags[slug].id)
        return tags

    @pytest.mark.parametrize(
        ("slugs", "expected"),
        [
            ("a", {"a", "ab", "abc"}),
            ("ab", {"ab", "abc"}),
            ("ba", {"ab", "abc"}),
            ("abc", {"abc"}),
            ("aa", {"a", "ab", "abc"}),
            ("x", set()),
            ("ax", set()),
        ],
    )
    async def test_may_be_repeated_and_all_must_match(self, ann, projects, slugs, expected):
        found = items(await ann.get("/projects", params=[("tag", slug) for slug in slugs]))
        assert {item["name"] for item in found} == expected

    async def test_does_not_find_by_a_tag_that_is_deleted(self, ann, projects):
        assert (await ann.delete(f"/tags/{projects['c'].id}")).status_code == 204
        assert ids(await ann.get("/projects", params={"tag": "c"})) == []

    async def test_goes_along_with_other_filters(self, ann, projects):
        found = items(await ann.get("/projects", params=[("tag", "a"), ("name[contains]", "c"), ("status", "active")]))
        assert [item["name"] for item in found] == ["abc"]

    async def test_is_no_filter_of_other_lists(self, admin):
        for path in ("/tags", "/users"):
            refused(await admin.get(path, params={"tag": "a"}), "tag")


class TestSeveral:
    async def test_must_all_hold(self, caller):
        day = "2026-01-31"
        found = items(
            await caller.get("/projects", params={"starts_on[gte]": day, "starts_on[lte]": day, "status[ne]": "paused"})
        )
        assert [item["name"] for item in found] == ["Project d"]

    @pytest.mark.parametrize("name", ["status", "limit", "count", "deleted", "cursor", "q", "name[contains]"])
    async def test_of_the_same_name_are_refused_unless_it_is_an_array(self, ann, name):
        value = {"limit": "5", "count": "none", "deleted": "only"}
        both = [(name, value.get(name, "active"))] * 2
        refused(await ann.get("/projects", params=both), name)


class TestAnArray:
    """By comma or repeated, which most generated clients do."""

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("status[in]", ["active", "paused", "archived"]),
            ("starts_on[in]", ["2026-01-30", "2026-01-31"]),
            ("sort", ["-status", "name", "created_at"]),
            ("fields", ["id", "name", "status", "created_at"]),
            ("include", ["owner", "members"]),
            ("tag", ["a", "a"]),
        ],
    )
    async def test_is_the_same_in_every_form(self, caller, name, values):
        by_comma = await caller.get("/projects", params={name: ",".join(values), "limit": "1"})
        cursor = by_comma.json()["next_cursor"]
        for params in ([(name, value) for value in values], [(name, values[0]), (name, ",".join(values[1:]))]):
            first = await caller.get("/projects", params=[*params, ("limit", "1")])
            assert (first.status_code, first.content) == (200, by_comma.content)
            if cursor is not None:
                link = first.headers["Link"].partition(">")[0].removeprefix("<")
                following = await caller.get("/projects", params=[*params, ("limit", "1"), ("cursor", cursor)])
                assert following.status_code == 200
                assert (await caller.get(f"http://test{link}")).content == following.content

    async def test_is_the_same_in_an_export(self, caller):
        by_comma = await caller.get("/projects/export", params={"status[in]": "active,paused"})
        repeated = await caller.get("/projects/export", params=[("status[in]", "active"), ("status[in]", "paused")])
        assert repeated.content == by_comma.content != b""

    async def test_has_100_values_in_all(self, caller):
        some = ",".join(["active"] * 50)
        for times, status in ((2, 200), (3, 422)):
            answer = await caller.get("/projects", params=[("status[in]", some)] * times)
            assert answer.status_code == status
        refused(await caller.get("/projects", params=[("status[in]", "active")] * 101), "status[in]")

    @pytest.mark.parametrize("value", ["active", "active,", "", "a\0"])
    async def test_has_no_value_that_a_single_one_may_not_be(self, caller, value):
        both = [("status[in]", "active"), ("status[in]", value)]
        answer = await caller.get("/projects", params=both)
        if value == "active":
            assert answer.content == (await caller.get("/projects", params={"status": "active"})).content
        else:
            refused(answer, "status[in]")

    async def test_of_sorts_has_each_once(self, caller):
        for again in ("name", "-name"):
            refused(await caller.get("/projects", params=[("sort", "name"), ("sort", again)]), "sort")
