"""`Prefer: return=minimal` (RFC 7240 §4.2): the same write, answered without its document."""

import pytest

from modules.projects.tests.factories import ProjectFactory
from modules.users.tests.factories import PASSWORD
from tests.contract.test_problems import is_problem
from tests.contract.writing import CREATES, DOCUMENT_CHANGES, SILENT_CHANGES, World, Write

MINIMAL = "return=minimal"


@pytest.fixture
async def world(admin):
    return await World.made_by(admin)


def is_minimal(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.content == b""
    assert answer.headers["Preference-Applied"] == MINIMAL
    assert "Content-Type" not in answer.headers
    assert answer.headers.get("Content-Length", "0") == "0"


class TestAMinimalAnswer:
    @pytest.mark.parametrize("what", CREATES)
    async def test_to_a_create_tells_where_the_new_one_is(self, admin, world, what):
        made = await CREATES[what](world).by(admin, Prefer=MINIMAL)
        is_minimal(made, 201)
        read = await admin.get(f"http://test{made.headers['Location']}")
        assert read.headers["ETag"] == made.headers["ETag"]

    @pytest.mark.parametrize("what", DOCUMENT_CHANGES)
    async def test_to_a_change_has_its_tag_alone(self, admin, world, what):
        write = DOCUMENT_CHANGES[what](world)
        changed = await write.by(admin, Prefer=MINIMAL)
        is_minimal(changed, 204)
        assert changed.headers["ETag"] == (await admin.get(write.path.removesuffix("/restore"))).headers["ETag"]
        assert "Location" not in changed.headers

    @pytest.mark.parametrize("what", SILENT_CHANGES)
    async def test_to_what_has_no_document_is_no_other(self, admin, world, what):
        answer = await SILENT_CHANGES[what](world).by(admin, Prefer=MINIMAL)
        assert (answer.status_code, answer.content) == (204, b"")

    async def test_is_given_to_a_dry_run(self, ann):
        is_minimal(await Write("POST", "/projects", {"name": "new"}).by(ann, Prefer=MINIMAL, dry_run="true"), 201)

    @pytest.mark.parametrize("first", [MINIMAL, "return=representation"])
    async def test_is_given_to_a_replay_whatever_the_first_answer_was(self, ann, first):
        write = Write("POST", "/projects", {"name": "new"})
        made = await write.by(ann, Prefer=first, Idempotency_Key="k")
        minimal = await write.by(ann, Prefer=MINIMAL, Idempotency_Key="k")
        whole = await write.by(ann, Idempotency_Key="k")
        is_minimal(minimal, 201)
        assert whole.status_code == 201
        assert whole.json()["name"] == "new"
        for replay in (minimal, whole):
            assert replay.headers["Idempotency-Replayed"] == "true"
            assert replay.headers["ETag"] == made.headers["ETag"]
            assert replay.headers["Location"] == made.headers["Location"]
        assert "Preference-Applied" not in whole.headers


class TestWhatIsPreferred:
    @pytest.mark.parametrize(
        "given",
        [
            *("return=minimal", "RETURN=minimal", 'return="minimal"', "return = minimal"),
            *("\treturn=minimal ", "return=minimal, return=representation", 'foo="a, b", return=minimal'),
            *("respond-async, return=minimal", "return=minimal; foo=bar", "wait=10,return=minimal,handling=lenient"),
        ],
    )
    async def test_is_understood(self, ann, given):
        is_minimal(await Write("POST", "/projects", {"name": "new"}).by(ann, Prefer=given), 201)

    async def test_may_stand_in_several_lines(self, ann):
        headers = [("Prefer", "respond-async"), ("Prefer", MINIMAL)]
        is_minimal(await ann.post("/projects", json={"name": "new"}, headers=headers), 201)

    @pytest.mark.parametrize(
        "given",
        [
            *("return=representation", "return", "return=", "minimal", "x-return=minimal", "return=minimally", "é", ""),
            *('foo="a, return=minimal, b"', "return=representation, return=minimal", "foo; return=minimal"),
        ],
    )
    async def test_is_else_taken_no_notice_of(self, ann, given):
        """RFC 7240 §2: a preference that is not understood is ignored."""
        headers = {b"Prefer": given.encode("latin-1")}
        made = await ann.post("/projects", json={"name": "new"}, headers=headers)
        assert made.status_code == 201
        assert made.json()["name"] == "new"
        assert "Preference-Applied" not in made.headers

    async def test_takes_nothing_from_an_error(self, ann, bob):
        project = await ProjectFactory.saved(owner_id=ann.id)
        refused = await Write("DELETE", f"/projects/{project.id}").by(bob, Prefer=MINIMAL)
        is_problem(refused, 404, "project_not_found")
        is_problem(await Write("POST", "/projects", {}).by(ann, Prefer=MINIMAL), 422, "invalid_input")
        stale = await Write("PATCH", f"/projects/{project.id}", {}).by(ann, Prefer=MINIMAL, If_Match='"9-"')
        is_problem(stale, 412, "version_mismatch")

    async def test_loses_no_token(self, client, ann):
        """What is shown once must be shown."""
        body = {"email": "ann@example.com", "password": PASSWORD}
        answer = await client.post("/auth/sessions", json=body, headers={"Prefer": MINIMAL})
        assert answer.status_code == 201
        assert answer.json()["refresh_token"]

    async def test_is_nothing_to_a_read(self, ann):
        assert (await ann.get("/users/me", headers={"Prefer": MINIMAL})).json()["full_name"] == "Ann"
