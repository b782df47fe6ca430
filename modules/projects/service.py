"""The rules of projects."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlmodel import col

from modules.projects.errors import LastOwner, MemberNotFound, OwnerDeleted, TagNotAttachable
from modules.projects.models import Project, ProjectMember, Role
from modules.projects.repository import ProjectRepository
from modules.projects.schemas import ProjectCreate, ProjectUpdate
from modules.tags.api import TagNotFound, TagsApi
from modules.users.api import UserDeleted, UserNotFound, UserRestored, UsersApi
from shared.auth.principal import Principal
from shared.persistence.models import touch
from shared.persistence.repository import Representation
from shared.persistence.soft_delete import delete_group, restore_group


class ProjectService:
    """Makes, changes, shares, deletes and restores projects."""

    def __init__(self, projects: ProjectRepository, users: UsersApi, tags: TagsApi) -> None:
        self._projects = projects
        self._users = users
        self._tags = tags

    async def create(self, data: ProjectCreate, principal: Principal) -> tuple[UUID, Representation]:
        """A new project of the caller's. Raises ExternalIdTaken, DatesOutOfOrder, TagNotAttachable."""
        project = Project(owner_id=principal.user_id, **data.model_dump(exclude={"tag_ids"}))
        self._projects.session.add(project)
        if data.tag_ids:
            await self._require_attachable(data.tag_ids, project, principal)
            await self._projects.attach(project.id, data.tag_ids)
        return project.id, await self._projects.get(project.id, principal)

    async def change(self, id: UUID, data: ProjectUpdate, principal: Principal) -> Representation:
        """Raises ProjectNotFound, ProjectForbidden, ExternalIdTaken, DatesOutOfOrder, TagNotAttachable."""
        project = await self._projects.lock(id, "change", principal)
        changes = data.changes()
        tag_ids = changes.pop("tag_ids", None)
        if tag_ids is not None and await self._set_tags(project, tag_ids, principal):
            touch(project)
        project.sqlmodel_update(changes)
        return await self._projects.get(id, principal)

    async def attach(self, id: UUID, tag_id: UUID, principal: Principal) -> None:
        """Put a tag on a project. Raises ProjectNotFound, ProjectForbidden, TagNotFound."""
        project = await self._projects.lock(id, "change", principal)
        if tag_id in await self._projects.tag_ids(id):
            return
        if not await self._tags.attachable([tag_id], {principal.user_id, project.owner_id}):
            raise TagNotFound
        await self._projects.attach(id, [tag_id])
        touch(project)

    async def detach(self, id: UUID, tag_id: UUID, principal: Principal) -> None:
        """Take a tag off a project; one that is not on it is off already. Raises ProjectNotFound, ProjectForbidden."""
        project = await self._projects.lock(id, "change", principal)
        if tag_id in await self._projects.tag_ids(id):
            touch(project)
        await self._projects.detach(id, tag_id)

    async def delete(self, id: UUID, principal: Principal) -> None:
        """Raises ProjectNotFound, ProjectForbidden."""
        await self._projects.lock(id, "delete", principal)
        await self._projects.delete(col(Project.id) == id)

    async def restore(self, id: UUID, principal: Principal) -> Representation:
        """Raises ProjectNotFound, ExternalIdTaken, OwnerDeleted."""
        project = await self._projects.lock(id, "restore", principal, include_deleted=True)
        if not await self._users.hold_live([project.owner_id]):
            raise OwnerDeleted
        project.deleted_at = project.deletion_id = None
        return await self._projects.get(id, principal)

    async def set_member(self, id: UUID, user_id: UUID, role: Role, principal: Principal) -> None:
        """Give somebody a role. Raises ProjectNotFound, ProjectForbidden, UserNotFound, LastOwner."""
        project = await self._projects.lock(id, "manage", principal)
        if project.owner_id == user_id:
            if role is Role.OWNER:
                return
            since = project.owner_since
            await self._hand_over(project)
            self._projects.session.add(ProjectMember(project_id=id, user_id=user_id, role=role, created_at=since))
        else:
            member = await self._projects.member(id, user_id)
            if member is None:
                if not await self._users.hold_live([user_id]):
                    raise UserNotFound
                self._projects.session.add(ProjectMember(project_id=id, user_id=user_id, role=role))
            elif member.role is role:
                return
            else:
                member.role = role
        touch(project)

    async def remove_member(self, id: UUID, user_id: UUID, principal: Principal) -> None:
        """Somebody leaves. Everyone may do so on their own. Raises ProjectNotFound, ProjectForbidden, MemberNotFound,
        LastOwner.
        """
        action = "leave" if user_id == principal.user_id else "manage"
        project = await self._projects.lock(id, action, principal)
        if project.owner_id == user_id:
            await self._hand_over(project)
        else:
            member = await self._projects.member(id, user_id)
            if member is None:
                raise MemberNotFound
            await self._projects.session.delete(member)
        touch(project)

    async def delete_owned(self, event: UserDeleted) -> None:
        """An owner's projects go along with the account, and so do their memberships elsewhere."""
        await self._projects.delete(col(Project.owner_id) == event.user_id, event.deletion_id)
        memberships = col(ProjectMember.user_id) == event.user_id
        await delete_group(self._projects.session, ProjectMember, memberships, event.deletion_id)

    async def restore_owned(self, event: UserRestored) -> None:
        """They come back with it, but for those deleted before."""
        await self._projects.restore_group(event.deletion_id)
        await restore_group(self._projects.session, ProjectMember, event.deletion_id)

    async def _set_tags(self, project: Project, tag_ids: Sequence[UUID], principal: Principal) -> bool:
        """Have the project carry just these tags. Whether that changed anything."""
        before, after = await self._projects.tag_ids(project.id), frozenset(tag_ids)
        # A tag that is on the project may stay, whoever put it there.
        await self._require_attachable(tag_ids, project, principal, but=before)
        await self._projects.detach_all(project.id, but=after)
        await self._projects.attach(project.id, after - before)
        return before != after

    async def _require_attachable(
        self, tag_ids: Sequence[UUID], project: Project, principal: Principal, but: Collection[UUID] = ()
    ) -> None:
        attachable = await self._tags.attachable(tag_ids, {principal.user_id, project.owner_id})
        for index, tag_id in enumerate(tag_ids):
            if tag_id not in attachable and tag_id not in but:
                raise TagNotAttachable(pointer=f"/tag_ids/{index}")

    async def _hand_over(self, project: Project) -> None:
        """The project passes from its owner to the co-owner of longest standing. Raises LastOwner."""
        heir = await self._projects.first_co_owner(project.id)
        # An account that is being deleted just now takes its memberships along, and inherits nothing.
        if heir is None or not await self._users.hold_live([heir.user_id]):
            raise LastOwner
        project.owner_id, project.owner_since = heir.user_id, heir.created_at
        await self._projects.session.delete(heir)
