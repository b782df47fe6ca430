"""The rules of projects."""

from collections.abc import Collection, Sequence
from uuid import UUID

from modules.projects.errors import DatesOutOfOrder, LastOwner, MemberNotFound, TagNotAttachable
from modules.projects.models import Project, Role
from modules.projects.repository import InvitationRepository, ProjectRepository
from modules.projects.schemas import ProjectCreate, ProjectReplace, ProjectUpdate
from modules.tags.api import TagNotFound, TagsApi
from modules.users.api import UserDeleted, UsersApi
from shared.errors import DomainError
from shared.reads import Representation
from shared.writes import Change, Import, Imported


class ProjectService:
    """Makes, changes and shares projects."""

    def __init__(
        self, projects: ProjectRepository, invitations: InvitationRepository, users: UsersApi, tags: TagsApi
    ) -> None:
        self._projects = projects
        self._invitations = invitations
        self._users = users
        self._tags = tags

    async def create(self, change: Change, data: ProjectCreate) -> Representation:
        """A new project of the caller's. Raises ExternalIdTaken, DatesOutOfOrder, TagNotAttachable."""
        columns = data.model_dump(exclude={"tag_ids"})
        id = await self._projects.add(change, owner_id=change.caller.user_id, **columns)
        if data.tag_ids:
            await self._require_attachable(change, data.tag_ids, {change.caller.user_id})
            await self._projects.attach(change, id, data.tag_ids)
        return await self._projects.document(change, id)

    async def import_(self, change: Change, lines: Import[ProjectCreate]) -> Imported:
        """New projects of the caller's. Raises ImportFailed."""
        tags: frozenset[UUID] = frozenset()
        async for batch in lines:
            named = {tag_id for project in batch.rows.values() for tag_id in project.tag_ids}
            if unknown := named - tags:
                tags |= await self._tags.attachable(change, unknown, {change.caller.user_id})
            for line, project in [*batch.rows.items()]:
                if error := _wrong(project, tags):
                    batch.refuse(line, error)
            await self._projects.add_all(change, batch, change.caller.user_id)
        return lines.outcome()

    async def upsert(self, change: Change, external_id: str, data: ProjectReplace) -> tuple[bool, Representation]:
        """The caller's own project with this key, as a whole: whether it is new, and its document. Raises
        DatesOutOfOrder, TagNotAttachable.
        """
        key = {"owner_id": change.caller.user_id, "external_id": external_id}
        columns = data.model_dump(exclude={"tag_ids"})
        id, is_new = await self._projects.upsert(change, [*key], **key, **columns)
        if data.tag_ids or not is_new:
            await self._set_tags(change, id, data.tag_ids, {change.caller.user_id})
        return is_new, await self._projects.document(change, id)

    async def change(self, change: Change, id: UUID, data: ProjectUpdate) -> Representation:
        """Raises ProjectNotFound, ProjectForbidden, ExternalIdTaken, DatesOutOfOrder, TagNotAttachable."""
        project = await self._projects.lock(change, id, "change")
        columns = data.changes()
        tag_ids = columns.pop("tag_ids", None)
        owner_ids = {change.caller.user_id, project.owner_id}
        touched = tag_ids is not None and await self._set_tags(change, id, tag_ids, owner_ids)
        if not await self._projects.update(change, project, **columns) and touched:
            await self._projects.touch(change, project)
        return await self._projects.document(change, id)

    async def attach(self, change: Change, id: UUID, tag_id: UUID) -> None:
        """Put a tag on a project. Raises ProjectNotFound, ProjectForbidden, TagNotFound."""
        project = await self._projects.lock(change, id, "change")
        if tag_id in await self._projects.tag_ids(change, id):
            return
        if not await self._tags.attachable(change, [tag_id], {change.caller.user_id, project.owner_id}):
            raise TagNotFound
        await self._projects.attach(change, id, [tag_id])
        await self._projects.touch(change, project)

    async def detach(self, change: Change, id: UUID, tag_id: UUID) -> None:
        """Take a tag off a project; one that is not on it is off already. Raises ProjectNotFound, ProjectForbidden."""
        project = await self._projects.lock(change, id, "change")
        if tag_id in await self._projects.tag_ids(change, id):
            await self._projects.touch(change, project)
        await self._projects.detach(change, id, tag_id)

    async def set_member(self, change: Change, id: UUID, user_id: UUID, role: Role) -> None:
        """Give a member another role. Raises ProjectNotFound, ProjectForbidden, MemberNotFound, LastOwner,
        ExternalIdTaken, TooManyProjects.
        """
        project = await self._projects.lock(change, id, "manage")
        if project.owner_id == user_id:
            if role is not Role.OWNER:
                await self._hand_over(change, project)
                member = {"user_id": user_id, "role": role, "created_at": project.owner_since}
                await self._projects.memberships.insert(change, project_id=id, **member)
            return
        present = await self._projects.memberships.find(change, project_id=id, user_id=user_id)
        if present is None:
            raise MemberNotFound
        if present.role is role:
            return
        await self._projects.memberships.update(change, present, role=role)
        await self._projects.touch(change, project)
        if present.role is Role.OWNER:
            await self._invitations.withdraw_of(change, id, user_id)

    async def remove_member(self, change: Change, id: UUID, user_id: UUID) -> None:
        """Somebody leaves. Everyone may do so on their own. Raises ProjectNotFound, ProjectForbidden, MemberNotFound,
        LastOwner, ExternalIdTaken, TooManyProjects.
        """
        project = await self._projects.lock(change, id, "leave" if user_id == change.caller.user_id else "manage")
        if project.owner_id == user_id:
            await self._hand_over(change, project)
        elif await self._projects.memberships.find(change, project_id=id, user_id=user_id) is None:
            raise MemberNotFound
        else:
            await self._projects.memberships.remove(change, project_id=id, user_id=user_id)
            await self._projects.touch(change, project)
            await self._invitations.withdraw_of(change, id, user_id)

    async def withdraw_invitations(self, change: Change, _: UserDeleted) -> None:
        """Nobody is invited any more by who is gone."""
        await self._invitations.withdraw_of_deleted(change)

    async def _set_tags(self, change: Change, id: UUID, tag_ids: Sequence[UUID], owner_ids: Collection[UUID]) -> bool:
        """Have the project carry just these tags, new ones being of these owners. Whether that changed anything."""
        before, after = await self._projects.tag_ids(change, id), frozenset(tag_ids)
        # A tag that is on the project may stay, whoever put it there.
        await self._require_attachable(change, tag_ids, owner_ids, but=before)
        await self._projects.detach_all(change, id, but=after)
        await self._projects.attach(change, id, after - before)
        return before != after

    async def _require_attachable(
        self, change: Change, tag_ids: Sequence[UUID], owner_ids: Collection[UUID], but: Collection[UUID] = ()
    ) -> None:
        attachable = await self._tags.attachable(change, tag_ids, owner_ids)
        for index, tag_id in enumerate(tag_ids):
            if tag_id not in attachable and tag_id not in but:
                raise TagNotAttachable(pointer=f"/tag_ids/{index}")

    async def _hand_over(self, change: Change, project: Project) -> None:
        """The project passes from its owner to the co-owner of longest standing. Raises LastOwner, ExternalIdTaken,
        TooManyProjects.
        """
        heir = await self._projects.first_co_owner(change, project.id)
        # An account that is being deleted just now takes its memberships along, and inherits nothing.
        if heir is None or not await self._users.hold_live(change, [heir.user_id]):
            raise LastOwner
        await self._projects.memberships.remove(change, project_id=project.id, user_id=heir.user_id)
        await self._projects.update(change, project, owner_id=heir.user_id, owner_since=heir.created_at)
        await self._projects.demand_room(change, heir.user_id)
        await self._invitations.withdraw_of(change, project.id, project.owner_id)


def _wrong(project: ProjectCreate, tags: Collection[UUID]) -> DomainError | None:
    """The rule that a new project breaks, beside those of its table, when these are the tags that it may carry."""
    if project.starts_on and project.due_on and project.due_on < project.starts_on:
        return DatesOutOfOrder()
    for index, tag_id in enumerate(project.tag_ids):
        if tag_id not in tags:
            return TagNotAttachable(pointer=f"/tag_ids/{index}")
    return None
