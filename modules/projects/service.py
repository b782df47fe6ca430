"""The rules of projects."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlmodel import col

from modules.projects.errors import DatesOutOfOrder, LastOwner, MemberNotFound, OwnerDeleted, TagNotAttachable
from modules.projects.models import Project, ProjectMember, Role
from modules.projects.repository import ProjectRepository
from modules.projects.schemas import ProjectCreate, ProjectReplace, ProjectUpdate
from modules.tags.api import TagNotFound, TagsApi
from modules.users.api import UserDeleted, UserNotFound, UserRestored, UsersApi
from shared.auth import Principal
from shared.errors import DomainError
from shared.reads import Representation
from shared.rows import delete_group, restore_group, touch
from shared.writes import Import, Imported


class ProjectService:
    """Makes, changes, shares, deletes and restores projects."""

    def __init__(self, projects: ProjectRepository, users: UsersApi, tags: TagsApi) -> None:
        self._projects = projects
        self._users = users
        self._tags = tags

    async def create(self, data: ProjectCreate, principal: Principal) -> tuple[UUID, Representation]:
        """A new project of the caller's. Raises ExternalIdTaken, DatesOutOfOrder, TagNotAttachable."""
        columns = data.model_dump(exclude={"tag_ids"})
        id = await self._projects.add(owner_id=principal.user_id, **columns)
        if data.tag_ids:
            await self._require_attachable(data.tag_ids, {principal.user_id})
            await self._projects.attach(id, data.tag_ids)
        return id, await self._projects.get(id, principal)

    async def import_(self, lines: Import[ProjectCreate], principal: Principal) -> Imported:
        """New projects of the caller's. Raises ImportFailed."""
        tags: frozenset[UUID] = frozenset()
        async for batch in lines:
            named = {tag_id for project in batch.rows.values() for tag_id in project.tag_ids}
            if unknown := named - tags:
                tags |= await self._tags.attachable(unknown, {principal.user_id})
            for line, project in [*batch.rows.items()]:
                if error := _wrong(project, tags):
                    batch.refuse(line, error)
            await self._projects.add_all(batch, principal.user_id)
        return lines.outcome()

    async def upsert(
        self, external_id: str, data: ProjectReplace, principal: Principal
    ) -> tuple[UUID, bool, Representation]:
        """The caller's own project with this key, as a whole: its id, and whether it is new. Raises DatesOutOfOrder,
        TagNotAttachable.
        """
        key = {"owner_id": principal.user_id, "external_id": external_id}
        columns = data.model_dump(exclude={"tag_ids"})
        id, is_new = await self._projects.upsert([*key], principal, **key, **columns)
        if data.tag_ids or not is_new:
            await self._set_tags(id, data.tag_ids, {principal.user_id})
        return id, is_new, await self._projects.get(id, principal)

    async def change(self, id: UUID, data: ProjectUpdate, principal: Principal) -> Representation:
        """Raises ProjectNotFound, ProjectForbidden, ExternalIdTaken, DatesOutOfOrder, TagNotAttachable."""
        project = await self._projects.lock(id, "change", principal)
        changes = data.changes()
        tag_ids = changes.pop("tag_ids", None)
        if tag_ids is not None and await self._set_tags(id, tag_ids, {principal.user_id, project.owner_id}):
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
        await self._projects.restore(col(Project.id) == id)
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

    async def _set_tags(self, id: UUID, tag_ids: Sequence[UUID], owner_ids: Collection[UUID]) -> bool:
        """Have the project carry just these tags, new ones being of these owners. Whether that changed anything."""
        before, after = await self._projects.tag_ids(id), frozenset(tag_ids)
        # A tag that is on the project may stay, whoever put it there.
        await self._require_attachable(tag_ids, owner_ids, but=before)
        await self._projects.detach_all(id, but=after)
        await self._projects.attach(id, after - before)
        return before != after

    async def _require_attachable(
        self, tag_ids: Sequence[UUID], owner_ids: Collection[UUID], but: Collection[UUID] = ()
    ) -> None:
        attachable = await self._tags.attachable(tag_ids, owner_ids)
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


def _wrong(project: ProjectCreate, tags: Collection[UUID]) -> DomainError | None:
    """The rule that a new project breaks, beside those of its table, when these are the tags that it may carry."""
    if project.starts_on and project.due_on and project.due_on < project.starts_on:
        return DatesOutOfOrder()
    for index, tag_id in enumerate(project.tag_ids):
        if tag_id not in tags:
            return TagNotAttachable(pointer=f"/tag_ids/{index}")
    return None
