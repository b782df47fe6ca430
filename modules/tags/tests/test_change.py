"""Changing a tag: what is particular to its fields. The rest of a merge patch says test_contract.py."""

from collections.abc import Awaitable, Callable

import pytest

from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from tests.callers import Caller


@pytest.fixture
async def ann(signed_in: Callable[..., Awaitable[Caller]]) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def tag(ann: Caller) -> Tag:
    return await TagFactory.saved(owner_id=ann.id, name="Urgent", slug="urgent", color="#ff0000")


class TestPatch:
    @pytest.mark.parametrize(
        ("field", "sent", "kept"),
        [
            ("name", " Sofort ", "Sofort"),
            ("slug", "Sofort", "sofort"),
            ("color", "#00FF00", "#00ff00"),
        ],
    )
    async def test_it_puts_a_value_into_its_normal_form(
        self, ann: Caller, tag: Tag, field: str, sent: str, kept: str
    ) -> None:
        patched = await ann.patch(f"/tags/{tag.id}", json={field: sent})
        assert patched.status_code == 200, patched.text
        assert patched.json()[field] == kept

    async def test_another_spelling_of_what_is_there_changes_nothing(self, ann: Caller, tag: Tag) -> None:
        before = await ann.get(f"/tags/{tag.id}")
        body = {"name": " Urgent ", "slug": "URGENT", "color": "#FF0000"}
        assert (await ann.patch(f"/tags/{tag.id}", json=body)).content == before.content

    async def test_a_new_name_leaves_the_slug(self, ann: Caller, tag: Tag) -> None:
        """Others may have linked to it."""
        assert (await ann.patch(f"/tags/{tag.id}", json={"name": "Later"})).json()["slug"] == "urgent"

    @pytest.mark.parametrize("field", ["name", "slug", "color"])
    @pytest.mark.parametrize("value", ["", "x" * 51, "a\0b", 1])
    async def test_it_obeys_the_rules_of_creation(self, ann: Caller, tag: Tag, field: str, value: object) -> None:
        before = await ann.get(f"/tags/{tag.id}")
        refused = await ann.patch(f"/tags/{tag.id}", json={field: value})
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{field}"]
        assert (await ann.get(f"/tags/{tag.id}")).content == before.content
