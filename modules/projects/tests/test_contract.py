"""What the wire contract promises of projects, and of the tags on them."""

from modules.projects.models import Project
from modules.projects.repository import ProjectRepository
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.api import TagsApi
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from tests.callers import Caller
from tests.conformance import ResourceContract, Write, act
from tests.conformance.actors import Actors


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
