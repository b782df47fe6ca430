"""Full-text search: `q`, and the order by relevance."""

import json
import string
from urllib.parse import quote
from uuid import UUID

import pytest

from modules.projects.models import Status
from modules.projects.repository import ProjectRepository
from modules.projects.tests.factories import ProjectFactory
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from shared.auth import Principal
from shared.reads import WHOLE, ListQuery, Shape
from tests.contract.reading import NOON, ids, items, projects_of, raw_get, refused, shared_with, walk

HARMLESS = [
    "&", "|", "!", "(", ")", ":", "*", ":*", "<->", "<1>", "'", '"', "''", "a & b", "a | !b", "a:*", "a:B", "(a", "a)",
    "-", "--", "-a", '-"a b"', '"', '"a', "or", "OR", "and or not", "a or", "\\", "\\'", "$1", "%s", "{}", ";--",
    "a" * 200,
    " ", "", "\n", "🎉", "\u202e", "' OR 1=1", "&" * 200, "()" * 100, '"' * 200, "a or " * 40,
]  # fmt: skip


@pytest.fixture
async def projects(ann):
    texts = {
        "Red house": "by the green sea",
        "Green house": "with a red door",
        "House of cards": None,
        "Boat": "red, red and red again; house-boat",
        "Ärger über Größe": "日本語 naïve",
    }
    return {
        name: await ProjectFactory.saved(owner_id=ann.id, name=name, description=text) for name, text in texts.items()
    }


class TestSearch:
    @pytest.mark.parametrize(
        ("q", "expected"),
        [
            ("red", {"Red house", "Green house", "Boat"}),
            ("RED HOUSE", {"Red house", "Green house", "Boat"}),
            ('"red house"', {"Red house"}),
            ('"house red"', set()),
            ("house -red", {"House of cards"}),
            ("sea or door", {"Red house", "Green house"}),
            ("hous", set()),
            ("house-boat", {"Boat"}),
            ("ärger", {"Ärger über Größe"}),
            ("GRÖSSE", set()),
            ("größe NAÏVE", {"Ärger über Größe"}),
            ("日本語", {"Ärger über Größe"}),
            ("nothing", set()),
        ],
    )
    async def test_finds_by_words_phrases_and_words_left_out(self, ann, projects, q, expected):
        found = items(await ann.get("/projects", params={"q": q}))
        assert {item["name"] for item in found} == expected

    async def test_finds_by_what_a_change_has_made_of_it(self, ann, projects):
        id = projects["Boat"].id
        assert (await ann.patch(f"/projects/{id}", json={"name": "Ship", "description": None})).status_code == 200
        assert ids(await ann.get("/projects", params={"q": "ship"})) == [str(id)]
        assert ids(await ann.get("/projects", params={"q": "boat"})) == []

    @pytest.mark.parametrize("path", ["/projects", "/tags", "/users"])
    async def test_takes_operators_for_what_they_are_to_a_user(self, admin, path):
        await ProjectFactory.saved(owner_id=admin.id)
        await TagFactory.saved(owner_id=admin.id)
        for q in HARMLESS:
            for more in ({}, {"sort": "-relevance", "count": "exact"}):
                answer = await admin.get(path, params={"q": q, **more})
                assert answer.status_code == 200, (q, answer.text)

    @pytest.mark.parametrize("path", ["/projects", "/tags", "/users"])
    async def test_that_leaves_out_what_is_left_out_and_so_on_is_no_fault_of_ours(self, admin, path):
        """PostgreSQL reads each hyphen as one more negation, to a depth that it cannot hold."""
        await ProjectFactory.saved(owner_id=admin.id)
        await TagFactory.saved(owner_id=admin.id)
        for q in ("-" * 10 + "a", "-" * 40 + "a", "-" * 200, "- " * 100, '-"' * 100, "-(" * 100):
            answer = await admin.get(path, params={"q": q})
            if answer.status_code != 200:
                refused(answer, "q")

    @pytest.mark.parametrize("q", ["-" * 33, "-" * 32 + "a", "-" * 33 + "a", "-" * 200, "a or " + "-" * 40 + "b"])
    @pytest.mark.parametrize(
        ("path", "params"),
        [
            ("/projects", {}),
            ("/projects", {"count": "estimated"}),
            ("/projects", {"count": "exact", "sort": "-relevance"}),
            ("/projects", {"deleted": "include", "sort": "name", "limit": "1"}),
            ("/projects/export", {}),
            ("/projects/export", {"deleted": "only", "fields": "id"}),
            ("/tags", {"count": "estimated"}),
            ("/users", {"sort": "-relevance", "count": "estimated"}),
        ],
    )
    async def test_beyond_the_depth_that_can_be_held_is_told_as_such(self, admin, path, params, q):
        await ProjectFactory.saved(owner_id=admin.id)
        answer = await admin.get(path, params=params | {"q": q})
        if q.count("-") <= 32:
            assert answer.status_code == 200, answer.text
        else:
            assert refused(answer, "q") == "This search has too many operators."

    @pytest.mark.parametrize("path", ["/projects", "/projects/export"])
    async def test_of_any_operators_is_answered_or_refused(self, app, admin, path):
        await ProjectFactory.saved(owner_id=admin.id)
        marks = [
            mark * (200 // len(mark)) for mark in [*string.punctuation, "or ", '-"', '"-', "-a ", "a or -", "\u202e"]
        ]
        for q in map(quote, [*marks, "🎉" * 200, "a\x01b", "😀" * 201, "a" * 201]):
            status, body = await raw_get(app, admin, path, f"q={q}".encode())
            assert status in {200, 422}, (q, body)
        for raw in (b"%ed%a0%80", b"%00", b"%ff", b"%f0%9f%98"):
            status, _ = await raw_get(app, admin, path, b"q=" + raw)
            assert status == 422, raw

    @pytest.mark.parametrize("q", ["", " ", "!", '""', "&|"])
    async def test_for_no_word_at_all_finds_nothing(self, ann, projects, q):
        assert ids(await ann.get("/projects", params={"q": q})) == []

    async def test_goes_along_with_filters_and_another_sort(self, ann, projects):
        params = {"q": "red", "name[contains]": "house", "sort": "-name", "count": "exact"}
        answer = await ann.get("/projects", params=params)
        assert [item["name"] for item in items(answer)] == ["Red house", "Green house"]
        assert answer.json()["count"] == 2

    async def test_finds_only_what_the_caller_sees(self, ann, bob, admin, projects):
        await projects_of(bob, 1, name="Red moon")
        shared = await shared_with(ann, (await projects_of(bob, 1, name="Red star"))[0])
        gone = await ProjectFactory.saved(owner_id=ann.id, name="Red giant", deleted_at=NOON)
        found = [item["name"] for item in items(await ann.get("/projects", params={"q": "red", "sort": "name"}))]
        assert found == ["Boat", "Green house", "Red house", shared.name]
        assert ids(await admin.get("/projects", params={"q": "red"})) == []
        assert ids(await ann.get("/projects", params={"q": "red", "deleted": "only"})) == [str(gone.id)]

    async def test_of_tags_takes_name_and_slug(self, ann, bob):
        todo = await TagFactory.saved(owner_id=ann.id, name="Things to do", slug="to-do")
        await TagFactory.saved(owner_id=bob.id, name="Things to do", slug="to-do")
        for q in ("things", "to-do", '"to do"', "do"):
            assert ids(await ann.get("/tags", params={"q": q})) == [str(todo.id)], q

    async def test_of_users_takes_name_and_address(self, admin):
        grace = await UserFactory.saved(full_name="Grace Hopper", email="amazing@example.org")
        for q in ("grace", "hopper grace", '"grace hopper"', "amazing@example.org"):
            assert ids(await admin.get("/users", params={"q": q})) == [str(grace.id)], q


class TestRelevance:
    async def test_has_the_name_weigh_more_than_the_rest(self, ann, projects):
        found = items(await ann.get("/projects", params={"q": "red", "sort": "-relevance"}))
        assert found[0]["name"] == "Red house"
        assert {item["name"] for item in found[1:]} == {"Green house", "Boat"}
        assert found[1]["name"] == "Boat"

    @pytest.mark.parametrize("path", ["/projects", "/tags", "/users"])
    async def test_needs_a_search(self, admin, path):
        assert "q" in refused(await admin.get(path, params={"sort": "-relevance"}), "sort")

    @pytest.mark.parametrize("path", ["/projects", "/tags", "/users"])
    @pytest.mark.parametrize("sort", ["relevance", "relevance,name", "-relevance,-relevance"])
    async def test_only_descends_and_once(self, admin, path, sort):
        refused(await admin.get(path, params={"sort": sort, "q": "x"}), "sort")

    @pytest.mark.parametrize("sort", ["-relevance", "-relevance,name", "name,-relevance", "-status,-relevance,-due_on"])
    async def test_leads_through_ties_across_pages(self, ann, bob, sort):
        for n in range(10):
            words = ("red", "red red", "blue red", "red and the rest of it is long")[n % 4]
            owner = (ann, bob)[n % 2]
            project = await ProjectFactory.saved(owner_id=owner.id, name=words if n % 3 else "x", description=words)
            if owner is bob:
                await shared_with(ann, project)
        whole = ids(await ann.get("/projects", params={"q": "red", "sort": sort}))
        assert len(set(whole)) == 10
        for limit in (1, 2, 3):
            assert [item["id"] for item in await walk(ann, "/projects", q="red", sort=sort, limit=limit)] == whole

    async def test_breaks_ties_by_id_descending(self, admin):
        for _ in range(5):
            await TagFactory.saved(owner_id=admin.id, name="same")
            await UserFactory.saved(full_name="same same")
        for path in ("/tags", "/users"):
            found = [item["id"] for item in await walk(admin, path, q="same", sort="-relevance", limit=2)]
            assert len(found) >= 5
            assert found == sorted(found, reverse=True)


class TestAmongMany:
    """Whether the first rows have enough of a word, or all are looked through: the pages are the same."""

    @pytest.fixture
    async def gardens(self, ann, bob):
        """What Ann sees with the word: own ones, dense and rare, and shared ones."""
        rest = {"description": None, "created_at": NOON}
        words = ["garden"] * 5 + ["yard"] * 6 + ["garden", "yard", "yard"] * 3
        own = [
            (word, await ProjectFactory.saved(owner_id=ann.id, name=f"{n * 7 % 20:02} {word}", **rest))
            for n, word in enumerate(words)
        ]
        await ProjectFactory.saved(owner_id=ann.id, name="A garden", status=Status.PAUSED)
        await ProjectFactory.saved(owner_id=ann.id, name="A garden", deleted_at=NOON)
        await ProjectFactory.saved(owner_id=bob.id, name="A garden")
        shared = [await shared_with(ann, project) for project in await projects_of(bob, 3, name="05 garden")]
        return [*(project for word, project in own if word == "garden"), *shared]

    @pytest.fixture(params=[1, 3, 8, 2000])
    def repository(self, application, monkeypatch, request):
        """Of projects, with so many first rows."""
        monkeypatch.setattr("shared.reads.near.NEAR", request.param)
        return ProjectRepository(application.kernel.tools(), None)

    @pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name", "due_on", "status"])
    async def test_the_pages_are_those_of_all(self, repository, ann, gardens, sort):
        field = sort.removeprefix("-")
        shape = Shape(WHOLE, ((field, sort.startswith("-")),), (("status", "eq"),), search=True, limit=2)
        found, cursor = [], None
        while True:
            values = {"q": "garden", "filter_0": Status.ACTIVE}
            page = await repository.list(Principal(ann.id, ann.session_id), ListQuery(shape, values, cursor))
            found += [UUID(item["id"]) for item in json.loads(page.items)]
            cursor = page.next_cursor
            if cursor is None:
                break
        expected = sorted(gardens, key=lambda project: (getattr(project, field) or "", project.id))
        assert found == [project.id for project in (reversed(expected) if sort.startswith("-") else expected)]
