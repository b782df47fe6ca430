"""What the wire contract promises of projects, of invitations to them, and of the tags on them."""

from collections.abc import Sequence
from typing import Any

from uuid_utils.compat import uuid7

from modules.projects.models import Invitation, Project
from modules.projects.repository import InvitationRepository, ProjectRepository
from modules.projects.tests.factories import InvitationFactory, MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.api import TagsApi
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from shared.rows import table_of
from tests.callers import Caller
from tests.conformance import ResourceContract, Write, act
from tests.conformance.actors import Actors
from tests.conformance.batches import Batches
from tests.conformance.preconditions import Preconditions
from tests.conformance.repeating import Repeating
from tests.conformance.requests import ids
from tests.conformance.rows import Rows
from tests.conformance.wishes import Wishes


class TestProjects(ResourceContract):
    resource = ProjectRepository
    factory = ProjectFactory

    async def actor(self, role: str, row: Project) -> Caller:
        """The one owner that every project has is the keeper; who has another role is a member."""
        if role == "owner":
            return self.keeper
        caller = await self.stage.sign_in()
        await MemberFactory.saved(project_id=row.id, user_id=caller.id, role=role)
        return caller

    @act("manage")
    async def set_member(self, project: Project) -> Write:
        user = await UserFactory.saved()
        await MemberFactory.saved(project_id=project.id, user_id=user.id, role="viewer")
        return Write("PUT", self.path(project, f"/members/{user.id}"), {"role": "editor"})

    @act("manage")
    async def remove_member(self, project: Project) -> Write:
        user = await UserFactory.saved()
        await MemberFactory.saved(project_id=project.id, user_id=user.id, role="viewer")
        return Write("DELETE", self.path(project, f"/members/{user.id}"))

    @act("change")
    async def attach_tag(self, project: Project) -> Write:
        tag = await TagFactory.saved(owner_id=project.owner_id)
        return Write("PUT", self.path(project, f"/tags/{tag.id}"))

    @act("change")
    async def detach_tag(self, project: Project) -> Write:
        tag = await TagFactory.saved(owner_id=project.owner_id)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        return Write("DELETE", self.path(project, f"/tags/{tag.id}"))


class TestTagsOnProjects(Actors):
    """Whoever sees a project sees the tags on it, as their viewer."""

    resource = TagsApi.resource
    factory = TagFactory
    roles = ("viewer",)

    async def actor(self, role: str, row: Tag) -> Caller:
        caller = await self.stage.sign_in()
        project = await ProjectFactory.saved(owner_id=row.owner_id)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=row.id)
        await MemberFactory.saved(project_id=project.id, user_id=caller.id, role=role)
        return caller


class InvitationRows(Rows):
    """Each is to a project of its own: a person has one open invitation to a project."""

    resource = InvitationRepository
    factory = InvitationFactory

    async def saved(self, owner: Caller | None = None, /, **columns: Any) -> Any:
        return await super().saved(owner or self.keeper, **columns)

    async def saved_all(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        return [await self.saved(**columns) for columns in rows]


class TestInvitations(InvitationRows, ResourceContract):
    """As the invited person has them."""

    roles = ("invited",)

    async def context(self, owner: Caller) -> dict[str, Any]:
        host = await UserFactory.saved()
        project = await ProjectFactory.saved(owner_id=host.id)
        return {"project_id": project.id, "inviter_id": host.id, "user_id": owner.id}

    @classmethod
    def is_keepers(cls, role: str) -> bool:
        return role == "invited"

    async def dispossess(self, caller: Caller, row: Invitation) -> None:
        invitations = table_of(Invitation)
        another = invitations.update().where(invitations.c.user_id == caller.id).values(user_id=uuid7())
        await self.stage.database.sql(another)

    @act("accept")
    async def accept(self, invitation: Invitation) -> Write:
        return Write("POST", self.path(invitation, "/accept"))

    @act("decline")
    async def decline(self, invitation: Invitation) -> Write:
        return Write("POST", self.path(invitation, "/decline"))


class TestInvitationsOfAProject(InvitationRows, Actors, Repeating, Preconditions, Wishes, Batches):
    """As who manages the project has them."""

    async def context(self, owner: Caller) -> dict[str, Any]:
        project = await ProjectFactory.saved(owner_id=owner.id)
        return {"project_id": project.id, "inviter_id": owner.id, "user_id": uuid7()}

    @classmethod
    def is_keepers(cls, role: str) -> bool:
        return role == "owner"

    async def actor(self, role: str, row: Invitation) -> Caller:
        if role == "owner":
            return self.keeper
        caller = await self.stage.sign_in(await UserFactory.saved(id=row.user_id))
        if role == "invited_manager":
            await MemberFactory.saved(project_id=row.project_id, user_id=caller.id, role="owner")
        return caller

    async def dispossess(self, caller: Caller, row: Invitation) -> None:
        projects, other = table_of(Project), await UserFactory.saved()
        given = projects.update().where(projects.c.owner_id == caller.id).values(owner_id=other.id)
        await self.stage.database.sql(given)

    async def test_a_list_shows_no_rows_of_others(self) -> None:
        """`GET /invitations` has what is for the caller; what they sent is listed at the project."""
        for caller in (self.keeper, await self.outsider(), await self.admin()):
            assert ids(await caller.get("/invitations")) == []
        assert ids(await self.keeper.get(f"/projects/{self.row.project_id}/invitations")) == [str(self.row.id)]

    test_a_list_has_the_rows_in_which_one_has_a_role = None  # type: ignore[assignment]  # As just said.

    @act("delete")
    async def withdraw(self, invitation: Invitation) -> Write:
        return Write("DELETE", f"/projects/{invitation.project_id}/invitations/{invitation.id}")
