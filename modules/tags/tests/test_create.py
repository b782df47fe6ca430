"""Making a tag: which slug it gets, and what its fields take. The rest of a create says test_contract.py."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from httpx2 import Response

from modules.tags.schemas import DEFAULT_COLOR
from modules.tags.tests.factories import TagFactory
from tests.callers import Caller
from tests.unicode import short_normalize


@pytest.fixture
async def ann(signed_in: Callable[..., Awaitable[Caller]]) -> Caller:
    return await signed_in(full_name="Ann")


def places(response: Response) -> list[str]:
    """Where the input is wrong, of an answer that says so."""
    assert response.status_code == 422, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    return [error["pointer"] for error in response.json()["errors"]]


class TestAnswer:
    async def test_it_is_the_whole_document(self, ann: Caller) -> None:
        created = await ann.post("/tags", json={"name": "Urgent", "slug": "now", "color": "#ff0000"})
        assert created.status_code == 201, created.text
        tag = created.json()
        assert UUID(tag.pop("id")).version == 7
        assert tag.pop("created_at") == tag.pop("updated_at")
        assert tag == {
            "owner_id": str(ann.id),
            "name": "Urgent",
            "slug": "now",
            "color": "#ff0000",
            "project_count": 0,
            "version": 1,
        }


class TestSlug:
    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Urgent", "urgent"),
            ("To do: this week!", "to-do-this-week"),
            ("  --snake_case__and more--  ", "snake-case-and-more"),
            ("Café Ångström", "cafe-angstrom"),
            ("Cafe\u0301", "cafe"),
            ("Straße", "strasse"),
            ("ﬁne ①", "fine-1"),
            ("Задача", "задача"),
            ("Ελλάδα", "ελλάδα"),
            ("紧急 任务", "紧急-任务"),
            ("긴급", "긴급"),
            ("עברית", "עברית"),
            ("2026", "2026"),
        ],
    )
    async def test_it_is_made_from_the_name(self, ann: Caller, name: str, slug: str) -> None:
        assert (await ann.post("/tags", json={"name": name})).json()["slug"] == slug

    @pytest.mark.parametrize("name", ["🎉", "!?", "-", "___"])
    async def test_a_name_without_letters_gets_one_of_its_own(self, ann: Caller, name: str) -> None:
        one, other = [(await ann.post("/tags", json={"name": name})).json() for _ in range(2)]
        assert one["slug"].startswith("tag-")
        assert one["slug"] != other["slug"]

    @pytest.mark.parametrize("name", ["ab " * 16 + "ab", "ﷺ" * 50, "ﬃx " * 16])
    async def test_it_is_no_longer_than_a_slug_may_be(self, ann: Caller, name: str) -> None:
        """Letters that stand for several grow, and no cut leaves a hyphen at the end."""
        created = await ann.post("/tags", json={"name": name})
        assert created.status_code == 201, created.text
        slug = created.json()["slug"]
        assert 0 < len(slug) <= 50
        assert slug.strip("-") == slug

    async def test_one_that_is_given_stands(self, ann: Caller) -> None:
        created = await ann.post("/tags", json={"name": "Urgent", "slug": "sofort-1"})
        assert created.json()["slug"] == "sofort-1"

    async def test_null_is_as_good_as_none_given(self, ann: Caller) -> None:
        assert (await ann.post("/tags", json={"name": "Urgent", "slug": None})).json()["slug"] == "urgent"

    async def test_one_that_is_given_is_put_in_lower_case(self, ann: Caller) -> None:
        assert (await ann.post("/tags", json={"name": "x", "slug": "To-Do"})).json()["slug"] == "to-do"

    @pytest.mark.parametrize("slug", ["", "-", "a--b", "-a", "a-", "a b", "a_b", "a/b", "a\0b", "🎉", "x" * 51, 1])
    async def test_one_that_is_no_slug_is_refused(self, ann: Caller, slug: object) -> None:
        assert places(await ann.post("/tags", json={"name": "x", "slug": slug})) == ["/slug"]

    async def test_one_that_outgrows_the_limit_in_lower_case_is_refused(self, ann: Caller) -> None:
        """The lower case of ß is two characters."""
        assert places(await ann.post("/tags", json={"name": "x", "slug": "ß" * 50})) == ["/slug"]

    async def test_what_one_reads_one_may_write(self, ann: Caller) -> None:
        created = (await ann.post("/tags", json={"name": "x", "slug": "İstanbul"})).json()
        written = await ann.patch(f"/tags/{created['id']}", json={"slug": created["slug"]})
        assert written.status_code == 200, written.text

    async def test_a_long_run_of_marks_is_never_normalised(self, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        """That takes time in the square of its length."""
        monkeypatch.setattr("unicodedata.normalize", short_normalize)
        refused = await ann.post("/tags", json={"name": "x", "slug": "a" + "\u0301" * 150_000})
        assert places(refused) == ["/slug"]

    async def test_one_that_is_made_from_the_name_may_be_taken_as_well(self, ann: Caller) -> None:
        await TagFactory.saved(owner_id=ann.id, slug="urgent")
        refused = await ann.post("/tags", json={"name": "Urgent!"})
        assert (refused.status_code, refused.json()["code"]) == (409, "slug_taken")


class TestColor:
    async def test_there_is_a_default(self, ann: Caller) -> None:
        assert (await ann.post("/tags", json={"name": "Urgent"})).json()["color"] == DEFAULT_COLOR

    async def test_it_is_put_in_lower_case(self, ann: Caller) -> None:
        assert (await ann.post("/tags", json={"name": "Urgent", "color": "#AbCdEf"})).json()["color"] == "#abcdef"

    @pytest.mark.parametrize(
        "color", ["", "red", "#fff", "ff0000", "#ff00000", "#gg0000", " #ff0000", "#ff0000\n", "#１２３４５６", None, 0]
    )
    async def test_anything_but_six_hexadecimal_digits_is_refused(self, ann: Caller, color: object) -> None:
        assert places(await ann.post("/tags", json={"name": "Urgent", "color": color})) == ["/color"]


class TestName:
    async def test_white_space_around_it_is_taken_away(self, ann: Caller) -> None:
        created = await ann.post("/tags", json={"name": " \t\n Urgent matters \u00a0"})
        assert created.json()["name"] == "Urgent matters"

    @pytest.mark.parametrize("name", ["x", "x" * 50, " " + "é" * 50 + " "])
    async def test_it_has_1_to_50_characters(self, ann: Caller, name: str) -> None:
        assert (await ann.post("/tags", json={"name": name})).json()["name"] == name.strip()

    @pytest.mark.parametrize("name", ["", "   ", "x" * 51, None, 1, ["x"], "a\0b"])
    async def test_anything_else_is_refused(self, ann: Caller, name: object) -> None:
        assert places(await ann.post("/tags", json={"name": name})) == ["/name"]

    async def test_it_is_needed(self, ann: Caller) -> None:
        assert places(await ann.post("/tags", json={})) == ["/name"]
