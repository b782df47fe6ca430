"""If-None-Match of a change: not of the version that it names. That of reads is in test_conditional_reads.py."""

import pytest

from modules.projects.tests.factories import ProjectFactory
from tests.contract.test_problems import is_problem


@pytest.fixture
async def project(ann):
    """At version 2."""
    project = await ProjectFactory.saved(owner_id=ann.id, name="before")
    assert (await ann.patch(f"/projects/{project.id}", json={"name": "now"})).json()["version"] == 2
    return project


class TestIfNoneMatch:
    @pytest.mark.parametrize("given", ['"2-x"', 'W/"2-x"', '"1-x", W/"2-y"', "*"])
    async def test_stops_the_change_of_what_it_names(self, ann, project, given):
        """It compares weakly (RFC 9110 §13.1.2)."""
        headers = {"If-None-Match": given}
        refused = await ann.patch(f"/projects/{project.id}", json={"name": "changed"}, headers=headers)
        problem = is_problem(refused, 412, "already_there" if given == "*" else "version_mismatch")
        assert "If-None-Match" in problem["detail"]
        assert (await ann.get(f"/projects/{project.id}")).json()["name"] == "now"

    @pytest.mark.parametrize("given", ['"1-x"', 'W/"3-x"', '"abc"', '"*"', ""])
    async def test_lets_every_other_through(self, ann, project, given):
        headers = {"If-None-Match": given}
        changed = await ann.patch(f"/projects/{project.id}", json={"name": "changed"}, headers=headers)
        assert changed.json()["version"] == 3

    @pytest.mark.parametrize("given", ["2", "2-x", '*, "2-x"', '"2-x', "**"])
    async def test_that_is_no_list_of_tags_is_named(self, ann, project, given):
        headers = {"If-None-Match": given}
        refused = await ann.patch(f"/projects/{project.id}", json={"name": "changed"}, headers=headers)
        problem = is_problem(refused, 422, "invalid_input")
        assert [error["parameter"] for error in problem["errors"]] == ["If-None-Match"]

    async def test_goes_with_if_match(self, ann, project):
        for unwanted, status in (('"2-x"', 412), ('"1-x"', 200)):
            headers = {"If-Match": '"2-x"', "If-None-Match": unwanted}
            answer = await ann.patch(f"/projects/{project.id}", json={"name": "changed"}, headers=headers)
            assert answer.status_code == status
