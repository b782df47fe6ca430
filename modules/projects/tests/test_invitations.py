"""Membership by consent: who is invited, what each side sees until the answer, and what ends an invitation."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient, Response

from modules.projects.api import MemberInvited
from modules.projects.models import Invitation, Project, Role
from modules.projects.settings import ProjectSettings
from modules.projects.tests.factories import InvitationFactory, MemberFactory, ProjectFactory
from modules.users.models import Role as AccountRole
from modules.users.tests.factories import UserFactory
from shared.events import Events
from shared.upkeep import Purge
from tests.callers import Caller
from tests.conformance.requests import executed, items, refused

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob Bobson", email="bob@example.com")


@pytest.fixture
async def project(ann: Caller) -> Project:
    return await ProjectFactory.saved(owner_id=ann.id, name="Relaunch")


async def invite(caller: AsyncClient, project: Project, **body: Any) -> Response:
    return await caller.post(f"/projects/{project.id}/invitations", json={"role": "editor"} | body)


async def invited(caller: AsyncClient, project: Project, **body: Any) -> dict[str, Any]:
    answer = await invite(caller, project, **body)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def answered(caller: AsyncClient, invitation: dict[str, Any], how: str = "accept") -> None:
    answer = await caller.post(f"/invitations/{invitation['id']}/{how}")
    assert (answer.status_code, answer.content) == (204, b""), answer.text


async def open_to(project: Project, caller: AsyncClient) -> list[dict[str, Any]]:
    return items(await caller.get(f"/projects/{project.id}/invitations"))


class TestInvite:
    @pytest.mark.parametrize("role", ["viewer", "editor", "owner"])
    @pytest.mark.parametrize("way", ["user_id", "email"])
    async def test_who_accepts_is_a_member(
        self, ann: Caller, bob: Caller, project: Project, way: str, role: str
    ) -> None:
        named = {"user_id": str(bob.id)} if way == "user_id" else {"email": "Bob@Example.com"}
        answer = await invite(ann, project, **named, role=role)
        invitation = answer.json()
        assert answer.headers["Location"] == f"/api/v1/invitations/{invitation['id']}"
        assert (await bob.get(f"/projects/{project.id}")).status_code == 404
        assert items(await bob.get("/invitations")) == [invitation] == await open_to(project, ann)
        await answered(bob, invitation)
        document = (await bob.get(f"/projects/{project.id}")).json()
        assert (document["my_role"], document["version"]) == (role, 2)
        assert items(await bob.get("/invitations")) == [] == await open_to(project, ann)

    async def test_the_answer_is_the_same_whether_or_not_there_is_such_an_account(
        self, ann: Caller, bob: Caller, project: Project
    ) -> None:
        """Neither by address nor by id, and it costs the same statements."""
        deleted = await UserFactory.saved(email="old@example.com", deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
        told, costs = [], set()
        for named in (
            *({"email": email} for email in ("bob@example.com", "none@example.com", "old@example.com")),
            *({"user_id": str(id)} for id in (bob.id, uuid4(), deleted.id)),
        ):
            with executed() as statements:
                answer = await invite(ann, project, **named)
            own = {"id", "created_at", "updated_at", "expires_at", *named}
            told.append((answer.status_code, {k: v for k, v in answer.json().items() if k not in own}))
            costs.add(tuple(statements))
        assert told[0] == told[1] == told[2]
        assert told[3] == told[4] == told[5]
        assert len(costs) == 2, "One list for addresses, one for ids, which a member might have."

    async def test_it_says_until_when(self, ann: Caller, project: Project) -> None:
        invitation = await invited(ann, project, email="x@example.com")
        left = datetime.fromisoformat(invitation["expires_at"]) - datetime.now(UTC)
        assert timedelta(days=13) < left < timedelta(days=15)

    async def test_it_is_for_one_addressee(self, ann: Caller, project: Project) -> None:
        for body in ({}, {"user_id": str(uuid4()), "email": "x@example.com"}):
            refused(await invite(ann, project, **body), 422, "one_addressee")

    async def test_a_person_has_one_open_invitation_to_a_project(self, ann: Caller, project: Project) -> None:
        id = str(uuid4())
        first = await invited(ann, project, email="x@example.com")
        await invited(ann, project, user_id=id)
        for named in ({"email": "X@Example.com"}, {"user_id": id}):
            refused(await invite(ann, project, **named), 409, "already_invited")
        await invited(ann, await ProjectFactory.saved(owner_id=ann.id), email="x@example.com")
        assert (await ann.delete(f"/projects/{project.id}/invitations/{first['id']}")).status_code == 204
        await invited(ann, project, email="x@example.com")

    async def test_a_member_is_not_invited(self, ann: Caller, bob: Caller, project: Project) -> None:
        """By an address they are: the project does not see who has it, and learns nothing."""
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        for caller in (ann, bob):
            problem = refused(await invite(ann, project, user_id=str(caller.id)), 409, "already_member")
            assert problem["errors"][0]["pointer"] == "/user_id"
        invitation = await invited(ann, project, email="bob@example.com", role="owner")
        await answered(bob, invitation)
        assert (await bob.get(f"/projects/{project.id}")).json()["my_role"] == "viewer"
        assert await open_to(project, ann) == []

    async def test_a_project_has_so_many_at_the_most(self, ann: Caller, project: Project) -> None:
        """What has expired does not count."""
        most = ProjectSettings(_env_prefix="TRELLIS_PROJECTS_").most_invitations
        past = datetime.now(UTC) - timedelta(hours=1)
        for n in range(most + 1):
            columns = {"expires_at": past} if n > most - 2 else {}
            await InvitationFactory.saved(
                project_id=project.id, inviter_id=ann.id, email=f"x{n}@example.com", **columns
            )
        await invited(ann, project, email="last@example.com")
        refused(await invite(ann, project, email="more@example.com"), 409, "too_many_invitations")

    async def test_it_is_published(self, ann: Caller, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        published = []

        async def note(_: Events, __: object, event: object) -> None:
            published.append(event)

        monkeypatch.setattr(Events, "publish", note)
        invitation = await invited(ann, project, email="x@example.com")
        assert published == [MemberInvited(UUID(invitation["id"]))]


class TestWhoMay:
    async def test_owners_and_administrators_invite_list_and_take_back(
        self, ann: Caller, bob: Caller, project: Project, signed_in: SignIn
    ) -> None:
        admin = await signed_in(role=AccountRole.ADMIN)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.OWNER)
        for n, caller in enumerate((ann, bob, admin)):
            invitation = await invited(caller, project, email=f"x{n}@example.com")
            assert invitation["inviter_id"] == str(caller.id)
            for other in (ann, bob, admin):
                assert await open_to(project, other) == [invitation]
            assert (await ann.delete(f"/projects/{project.id}/invitations/{invitation['id']}")).status_code == 204

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
    async def test_viewers_and_editors_do_not(self, ann: Caller, bob: Caller, project: Project, role: Role) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=role)
        invitation = await invited(ann, project, email="x@example.com")
        refused(await invite(bob, project, email="y@example.com"), 403, "project_forbidden")
        refused(await bob.get(f"/projects/{project.id}/invitations"), 403, "project_forbidden")
        refused(await bob.get(f"/invitations/{invitation['id']}"), 404, "invitation_not_found")
        gone = await bob.delete(f"/projects/{project.id}/invitations/{invitation['id']}")
        refused(gone, 404, "invitation_not_found")

    async def test_who_has_left_does_not_get_the_answer_again(self, ann: Caller, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.OWNER)
        path, body, key = f"/projects/{project.id}/invitations", {"email": "x@example.com", "role": "viewer"}, "k"
        made, again = [await bob.post(path, json=body, headers={"Idempotency-Key": key}) for _ in range(2)]
        assert (again.status_code, again.json()) == (201, made.json())
        assert (await ann.delete(f"/projects/{project.id}/members/{bob.id}")).status_code == 204
        refused(await bob.post(path, json=body, headers={"Idempotency-Key": key}), 404, "project_not_found")

    async def test_to_others_there_is_no_project(self, ann: Caller, bob: Caller, project: Project) -> None:
        """Nor to who is invited to it."""
        for _ in range(2):
            refused(await invite(bob, project, email="y@example.com"), 404, "project_not_found")
            refused(await bob.get(f"/projects/{project.id}/invitations"), 404, "project_not_found")
            await invite(ann, project, user_id=str(bob.id))

    async def test_an_invitation_is_taken_back_at_its_own_project(self, ann: Caller, project: Project) -> None:
        other = await ProjectFactory.saved(owner_id=ann.id)
        invitation = await invited(ann, project, email="x@example.com")
        refused(await ann.delete(f"/projects/{other.id}/invitations/{invitation['id']}"), 404, "invitation_not_found")

    async def test_nobody_answers_for_another(
        self, ann: Caller, bob: Caller, project: Project, signed_in: SignIn
    ) -> None:
        invitation = await invited(ann, project, user_id=str(bob.id))
        admin, eve = await signed_in(role=AccountRole.ADMIN), await signed_in()
        for how in ("accept", "decline"):
            for caller, status in ((ann, 403), (admin, 403), (eve, 404)):
                assert (await caller.post(f"/invitations/{invitation['id']}/{how}")).status_code == status


class TestUntilTheAnswer:
    async def test_the_invited_person_sees_the_name_and_who_invites_and_nothing_else(
        self, ann: Caller, bob: Caller, project: Project
    ) -> None:
        invitation = await invited(ann, project, user_id=str(bob.id))
        assert invitation["project"] == {"id": str(project.id), "name": "Relaunch"}
        assert invitation["inviter"] == {"id": str(ann.id), "full_name": "Ann"}
        assert invitation.keys() == {
            *("id", "project_id", "project", "user_id", "email", "role", "inviter_id", "inviter"),
            *("expires_at", "created_at", "updated_at", "version"),
        }
        for path in ("", "/members", "/history", "/invitations"):
            refused(await bob.get(f"/projects/{project.id}{path}"), 404, "project_not_found")
        assert items(await bob.get("/projects")) == []

    async def test_the_project_does_not_see_who_is_invited(self, ann: Caller, bob: Caller, project: Project) -> None:
        """Neither their name nor, of an address, whose it is; nor when they decline."""
        for named in ({"user_id": str(bob.id)}, {"email": "bob@example.com"}):
            invitation = await invited(ann, project, **named)
            seen = [await ann.get(f"/invitations/{invitation['id']}{more}") for more in ("", "/history")]
            seen += [await ann.get(f"/projects/{project.id}{more}") for more in ("/invitations", "/members")]
            assert all(answer.status_code == 200 for answer in seen)
            assert not any("Bobson" in answer.text for answer in seen)
            if "email" in named:
                assert not any(str(bob.id) in answer.text for answer in seen)
            await answered(bob, invitation, "decline")
            assert "Bobson" not in (await ann.get(f"/projects/{project.id}", params={"include": "members"})).text

    async def test_who_declines_may_be_invited_again(self, ann: Caller, bob: Caller, project: Project) -> None:
        await answered(bob, await invited(ann, project, user_id=str(bob.id)), "decline")
        assert (await bob.get(f"/projects/{project.id}")).status_code == 404
        await answered(bob, await invited(ann, project, user_id=str(bob.id)))
        assert (await bob.get(f"/projects/{project.id}")).status_code == 200

    @pytest.mark.parametrize("how", ["accept", "decline"])
    @pytest.mark.parametrize("way", ["user_id", "email"])
    async def test_an_answer_does_not_tell_which_addresses_are_the_same_persons(
        self, ann: Caller, bob: Caller, project: Project, way: str, how: str
    ) -> None:
        """The project would learn an account's address by guessing: of all that it guessed, one would be gone."""
        guesses = [await invited(ann, project, email=f"{name}@example.com") for name in ("bobson", "bob", "bo")]
        by_id = await invited(ann, project, user_id=str(bob.id))
        answer_to = by_id if way == "user_id" else guesses[1]
        await answered(bob, answer_to, how)
        refused(await bob.post(f"/invitations/{answer_to['id']}/accept"), 404, "invitation_not_found")
        left = [one["id"] for one in (*guesses, by_id) if one != answer_to and not (how == "accept" and one == by_id)]
        assert sorted(one["id"] for one in await open_to(project, ann)) == sorted(left)

    async def test_who_accepts_is_invited_by_their_account_no_more(
        self, ann: Caller, bob: Caller, project: Project
    ) -> None:
        """Or they could come back when they are removed. Those of others, and to other projects, stay."""
        by_id = await invited(ann, project, user_id=str(bob.id))
        others = await invited(ann, project, user_id=str(uuid4()))
        elsewhere = await invited(ann, await ProjectFactory.saved(owner_id=ann.id), user_id=str(bob.id))
        await answered(bob, await invited(ann, project, email="bob@example.com"))
        refused(await bob.post(f"/invitations/{by_id['id']}/accept"), 404, "invitation_not_found")
        assert items(await bob.get("/invitations")) == [elsewhere]
        assert await open_to(project, ann) == [others]

    async def test_who_accepts_a_second_time_stays_what_they_are(
        self, ann: Caller, bob: Caller, project: Project
    ) -> None:
        by_address = await invited(ann, project, email="bob@example.com", role="viewer")
        await answered(bob, await invited(ann, project, user_id=str(bob.id), role="editor"))
        await answered(bob, by_address)
        assert (await bob.get(f"/projects/{project.id}")).json()["my_role"] == "editor"
        assert await open_to(project, ann) == []


class TestAnAddress:
    """An invitation to an address is for the account that has it now."""

    async def test_that_is_registered_later(self, ann: Caller, project: Project, signed_in: SignIn) -> None:
        invitation = await invited(ann, project, email="new@example.com")
        eve = await signed_in(email="New@example.com")
        assert items(await eve.get("/invitations")) == [invitation]
        await answered(eve, invitation)

    async def test_that_passes_to_another_account(
        self, ann: Caller, bob: Caller, project: Project, signed_in: SignIn
    ) -> None:
        invitation = await invited(ann, project, email="bob@example.com")
        admin = await signed_in(role=AccountRole.ADMIN)
        moved = await admin.patch(f"/users/{bob.id}", json={"email": "robert@example.com"})
        assert moved.status_code == 200
        assert items(await bob.get("/invitations")) == []
        refused(await bob.post(f"/invitations/{invitation['id']}/accept"), 404, "invitation_not_found")
        eve = await signed_in(email="bob@example.com")
        await answered(eve, invitation)

    async def test_is_theirs_once_it_is_verified_where_mail_is_sent(
        self, ann: Caller, signed_in: SignIn, project: Project, application: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Accounts that are older than the mail server may have the addresses of others."""
        monkeypatch.setattr(application.kernel.mailer(), "reaches_people", True)
        eve, eva = [
            await signed_in(email=f"{name}@example.com", email_verified=verified)
            for name, verified in (("eve", False), ("eva", True))
        ]
        by_address = await invited(ann, project, email="eve@example.com")
        refused(await eve.post(f"/invitations/{by_address['id']}/accept"), 403, "address_not_verified")
        await answered(eva, await invited(ann, project, email="eva@example.com"))
        await invited(ann, project, user_id=str(eve.id))
        await answered(eve, items(await eve.get("/invitations"))[0])

    async def test_a_deleted_account_has_none(self, ann: Caller, bob: Caller, project: Project) -> None:
        invitation = await invited(ann, project, email="bob@example.com")
        assert (await bob.delete("/users/me")).status_code == 204
        refused(await bob.post(f"/invitations/{invitation['id']}/accept"), 401, "invalid_token")
        assert await open_to(project, ann) == [invitation], "The project learns nothing of it."


class TestTheEnd:
    async def test_comes_by_itself(self, ann: Caller, bob: Caller, project: Project, application: Any) -> None:
        """To everybody it is like one that never was. Another may be made, and the purge removes it."""
        past = datetime.now(UTC) - timedelta(hours=1)
        columns = {"project_id": project.id, "inviter_id": ann.id, "expires_at": past}
        gone = await InvitationFactory.saved(user_id=bob.id, **columns)
        for caller in (ann, bob):
            assert items(await caller.get("/invitations")) == []
            refused(await caller.get(f"/invitations/{gone.id}"), 404, "invitation_not_found")
        assert await open_to(project, ann) == []
        for how in ("accept", "decline"):
            refused(await bob.post(f"/invitations/{gone.id}/{how}"), 404, "invitation_not_found")
        await invited(ann, project, user_id=str(bob.id))
        await InvitationFactory.saved(email="x@example.com", **columns)
        purge = Purge(application.kernel.database(), application.kernel.settings())
        assert (await purge.run())["invitations"] == 1

    async def test_does_not_come_before_an_answer_that_is_asked_for_again(
        self, ann: Caller, bob: Caller, project: Project, database: Any
    ) -> None:
        """Who accepted in time, and lost the answer, gets it when the time is over."""
        invitation = await invited(ann, project, user_id=str(bob.id))
        key = {"Idempotency-Key": "k"}
        await bob.post(f"/invitations/{invitation['id']}/accept", headers=key)
        past = Invitation.__table__.update().values(expires_at=datetime.now(UTC) - timedelta(hours=1))  # type: ignore[attr-defined]
        await database.sql(past)
        again = await bob.post(f"/invitations/{invitation['id']}/accept", headers=key)
        assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (204, "true")

    @pytest.mark.parametrize("way", ["demoted", "removed", "leaves", "deleted"])
    async def test_comes_when_who_invited_is_an_owner_no_more(
        self, ann: Caller, bob: Caller, project: Project, signed_in: SignIn, way: str
    ) -> None:
        """Nobody comes in through a door that a former owner left open."""
        cora = await signed_in()
        await MemberFactory.saved(project_id=project.id, user_id=cora.id, role=Role.OWNER)
        invitation, anns = [
            await invited(who, project, **named)
            for who, named in ((cora, {"user_id": str(bob.id)}), (ann, {"email": "x@example.com"}))
        ]
        member = f"/projects/{project.id}/members/{cora.id}"
        done = {
            "demoted": lambda: ann.put(member, json={"role": "editor"}),
            "removed": lambda: ann.delete(member),
            "leaves": lambda: cora.delete(member),
            "deleted": lambda: cora.delete("/users/me"),
        }
        assert (await done[way]()).status_code == 204
        refused(await bob.post(f"/invitations/{invitation['id']}/accept"), 404, "invitation_not_found")
        assert await open_to(project, ann) == [anns]
        if way == "deleted":
            admin = await signed_in(role=AccountRole.ADMIN)
            assert (await admin.post(f"/users/{cora.id}/restore")).status_code == 200
            assert await open_to(project, ann) == [anns], "It does not come back with them."

    async def test_comes_when_the_owner_passes_the_project_on(
        self, ann: Caller, bob: Caller, project: Project, signed_in: SignIn
    ) -> None:
        cora = await signed_in()
        await MemberFactory.saved(project_id=project.id, user_id=cora.id, role=Role.OWNER)
        invitation = await invited(ann, project, user_id=str(bob.id))
        stepped_down = await ann.put(f"/projects/{project.id}/members/{ann.id}", json={"role": "viewer"})
        assert stepped_down.status_code == 204
        refused(await bob.post(f"/invitations/{invitation['id']}/accept"), 404, "invitation_not_found")

    @pytest.mark.parametrize("path", ["/projects/{project}", "/users/{owner}"])
    async def test_is_not_undone_over_another_one(self, path: str, signed_in: SignIn) -> None:
        """As an operator may have put there: nobody is invited to a project that is deleted."""
        admin, gone = await signed_in(role=AccountRole.ADMIN), {"deleted_at": datetime.now(UTC), "deletion_id": uuid4()}
        owner = await UserFactory.saved(**gone if "owner" in path else {})
        project = await ProjectFactory.saved(owner_id=owner.id, **gone)
        for columns in (gone, {}):
            await InvitationFactory.saved(project_id=project.id, inviter_id=admin.id, email="x@example.com", **columns)
        restored = await admin.post(path.format(project=project.id, owner=owner.id) + "/restore")
        refused(restored, 409, "already_invited")

    async def test_comes_and_goes_with_the_project(self, ann: Caller, bob: Caller, project: Project) -> None:
        invitation = await invited(ann, project, user_id=str(bob.id))
        assert (await ann.delete(f"/projects/{project.id}")).status_code == 204
        assert items(await bob.get("/invitations")) == []
        for caller in (ann, bob):
            refused(await caller.get(f"/invitations/{invitation['id']}"), 404, "invitation_not_found")
        refused(await bob.post(f"/invitations/{invitation['id']}/accept"), 404, "invitation_not_found")
        assert (await ann.post(f"/projects/{project.id}/restore")).status_code == 200
        await answered(bob, invitation)
