"""How projects, their members, invitations and tags are found and kept."""

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from modules.projects.errors import (
    ExternalIdTaken,
    InvitationForbidden,
    InvitationNotFound,
    OwnerDeleted,
    ProjectForbidden,
    ProjectNotFound,
    TooManyProjects,
)
from modules.projects.models import Invitation, Project, ProjectMember, ProjectTag, Role
from modules.projects.policy import INVITATION, MEMBERSHIP, OF_PROJECT, POLICY
from modules.projects.schemas import INVITATIONS, MEMBERS, PROJECTS, ProjectCreate
from modules.tags.api import TagSummary
from modules.users.api import UserSummary
from shared.auth import RESTORE, Principal
from shared.reads import Listing, ListQuery, Page, Representation, Tools, View
from shared.rows import frozen, live, loaded_columns, table_of
from shared.wire import Statement
from shared.writes import BulkInsert, Change, LineBatch, Quota, Repository, Verbs


class ProjectRepository(Repository[Project]):
    """Projects."""

    model = Project
    collection = PROJECTS
    policy = POLICY
    absent = ProjectNotFound
    denied = ProjectForbidden
    orphaned = OwnerDeleted

    def __init__(self, tools: Tools, per_account: int | None) -> None:
        """So many may an account own; None: as many as it likes."""
        super().__init__(tools)
        self._per_account = per_account
        self.memberships: Verbs[ProjectMember] = Verbs(ProjectMember)
        """Of those who share in a project beside its owner. Their project is locked first."""
        self._links: Verbs[ProjectTag] = Verbs(ProjectTag)
        taken = ExternalIdTaken(pointer="/external_id")
        self._import = BulkInsert(Project, ProjectCreate, ("owner_id",), taken)
        self._members = Listing(MEMBERS, MEMBERSHIP, tools.projector, tools.cursors, scope=("project_id",))

    async def add(self, change: Change, /, **columns: Any) -> UUID:
        """As every repository does. Raises TooManyProjects."""
        id = await super().add(change, **columns)
        await self.demand_room(change, columns["owner_id"])
        return id

    async def upsert(self, change: Change, by: Sequence[str], /, **columns: Any) -> tuple[UUID, bool]:
        """As every repository does. Raises TooManyProjects, PreconditionFailed, VersionMismatch, AlreadyThere,
        PreconditionRequired, and Contended.
        """
        id, is_new = await super().upsert(change, by, **columns)
        if is_new:
            await self.demand_room(change, columns["owner_id"])
        return id, is_new

    async def bring_back(self, change: Change, id: UUID) -> Representation:
        """As every repository does. Raises TooManyProjects."""
        project = await self.lock(change, id, RESTORE, include_deleted=True)
        await self.restore(change, project)
        await self.demand_room(change, project.owner_id)
        return await self.document(change, id)

    async def members(self, id: UUID, caller: Principal, query: ListQuery) -> Page:
        """Who shares in a project: the owner, then the others, the longest first. Raises ProjectNotFound,
        InvalidCursor.
        """
        page = await self._members.page(self._database, caller, query, project_id=id)
        if page.items == b"[]":  # Past the end, or of a project that the caller does not see.
            await self.get(id, caller)
        return page

    async def demand_manager(self, id: UUID, caller: Principal) -> None:
        """Raises ProjectNotFound, and ProjectForbidden for who sees the project and may not manage it."""
        seen = await self.get(id, caller, View(fields=frozenset({"my_role"})))
        POLICY.demand("manage", json.loads(seen.content)["my_role"], ProjectForbidden)

    async def hold_inviting(self, change: Change, invitation_id: UUID) -> Project | None:
        """The live project of an invitation, frozen and locked, whoever sees it."""
        rows = await change.unit.execute(_HOLD_INVITING, {"invitation_id": invitation_id})
        return self._frozen(rows[0]) if rows else None

    async def first_co_owner(self, change: Change, id: UUID) -> ProjectMember | None:
        """Of the owners beside the one that the project names, who has shared in it for longest."""
        rows = await change.unit.execute(_FIRST_CO_OWNER, {"project_id": id})
        return _member(rows[0]) if rows else None

    async def demand_room(self, change: Change, owner_id: UUID) -> None:
        """The owner, who has got another one, has not too many. Raises TooManyProjects."""
        if self._per_account is not None:
            await _QUOTA.demand(change, owner_id, self._per_account, more=0)

    async def tag_ids(self, change: Change, id: UUID) -> frozenset[UUID]:
        """The live tags on a project."""
        return frozenset(tag_id for (tag_id,) in await change.unit.execute(_TAG_IDS, {"project_id": id}))

    async def attach(self, change: Change, id: UUID, tag_ids: Collection[UUID]) -> None:
        """Put tags on a project; those that are there stay."""
        if tag_ids:
            await self._attach_all(change, [(id, tag_id) for tag_id in tag_ids])

    async def add_all(self, change: Change, batch: LineBatch[ProjectCreate], owner_id: UUID) -> None:
        """Store projects with their tags. Those whose external_id is taken are refused. Raises TooManyProjects."""
        ids = await self._import.store(change, batch, owner_id=owner_id)
        await self.demand_room(change, owner_id)
        links = [(ids[line], tag_id) for line, project in batch.rows.items() for tag_id in project.tag_ids]
        if links:
            await self._attach_all(change, links)

    async def detach(self, change: Change, id: UUID, tag_id: UUID) -> None:
        """Take a tag off a project, also a deleted one, which would come back with it."""
        await self._links.remove(change, project_id=id, tag_id=tag_id)

    async def detach_all(self, change: Change, id: UUID, but: Collection[UUID]) -> None:
        """Take off all other tags than these."""
        await change.unit.execute(_DETACH, {"project_id": id, "but": [*but]})

    async def _attach_all(self, change: Change, links: Sequence[tuple[UUID, UUID]]) -> None:
        project_ids, tag_ids = zip(*links, strict=True)
        await change.unit.execute(_ATTACH, {"project_ids": [*project_ids], "tag_ids": [*tag_ids]})


class InvitationRepository(Repository[Invitation]):
    """Invitations to projects."""

    model = Invitation
    collection = INVITATIONS
    policy = INVITATION
    absent = InvitationNotFound
    denied = InvitationForbidden

    def __init__(self, tools: Tools, projects: ProjectRepository) -> None:
        super().__init__(tools)
        self._projects = projects
        self._of_project = Listing(INVITATIONS, OF_PROJECT, tools.projector, tools.cursors, scope=("project_id",))

    async def of_project(self, project_id: UUID, caller: Principal, query: ListQuery) -> Page:
        """The open ones of a project, for who manages it. Raises ProjectNotFound, ProjectForbidden, InvalidCursor."""
        page = await self._of_project.page(self._database, caller, query, project_id=project_id)
        if page.items == b"[]":
            await self._projects.demand_manager(project_id, caller)
        return page

    async def count_open(self, change: Change, project_id: UUID) -> int:
        """How many a project has, which is locked. Those that have expired are removed first: they would be in the way
        of new ones.
        """
        await change.unit.send(_REMOVE_EXPIRED, {"project_id": project_id})
        ((count,),) = await change.unit.execute(_COUNT_OPEN, {"project_id": project_id})
        return int(count)

    async def withdraw_for(self, change: Change, project_id: UUID, user_id: UUID) -> None:
        """Delete the one that names an account. Those to its addresses stay: one that went along with another would
        tell the project that both are for the same person.
        """
        await self._verbs.delete(change, project_id=project_id, user_id=user_id)

    async def withdraw_of(self, change: Change, project_id: UUID, inviter_id: UUID) -> None:
        """Delete those that somebody made who manages the project no more."""
        await self._verbs.delete(change, project_id=project_id, inviter_id=inviter_id)

    async def withdraw_of_deleted(self, change: Change) -> None:
        """Delete those of the accounts that this change deletes. They do not come back with them."""
        await change.unit.send(_WITHDRAW, {"with_deletion_id": uuid7()})


def _array(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(Uuid))


_QUOTA = Quota(Project, "owner_id", TooManyProjects, *live(table_of(Project)))
_member = frozen(ProjectMember)
_tags, _links, _members = TagSummary.rows, table_of(ProjectTag), table_of(ProjectMember)
_ID: ColumnElement[UUID] = bindparam("project_id", type_=Uuid())
_invitations, _users, _projects = table_of(Invitation), UserSummary.rows, table_of(Project)
_DELETED = {"deleted_at": func.now(), "deletion_id": bindparam("with_deletion_id", type_=Uuid())}
_OPEN = (_invitations.c.project_id == _ID, *live(_invitations))
_HOLD_INVITING = Statement(
    select(*loaded_columns(Project))
    .where(
        _projects.c.id
        == select(_invitations.c.project_id)
        .where(_invitations.c.id == bindparam("invitation_id", type_=Uuid()))
        .scalar_subquery(),
        *live(_projects),
    )
    .with_for_update(of=_projects)
)
_REMOVE_EXPIRED = Statement(delete(_invitations).where(*_OPEN, _invitations.c.expires_at <= func.now()))
_COUNT_OPEN = Statement(select(func.count()).select_from(_invitations).where(*_OPEN))
_WITHDRAW = Statement(
    update(_invitations)
    .where(_invitations.c.inviter_id == _users.c.id, _users.c.deleted_at == func.now(), *live(_invitations))
    .values(_DELETED)
)
_FIRST_CO_OWNER = Statement(
    select(*loaded_columns(ProjectMember))
    .where(_members.c.project_id == _ID, _members.c.role == Role.OWNER, *live(_members))
    .order_by(_members.c.created_at, _members.c.user_id)
    .limit(1)
)
_TAG_IDS = Statement(
    select(_links.c.tag_id)
    .join_from(_links, _tags, _tags.c.id == _links.c.tag_id)
    .where(_links.c.project_id == _ID, *live(_tags))
)
_ATTACH = Statement(
    insert(ProjectTag)
    .from_select(["project_id", "tag_id"], select(func.unnest(_array("project_ids")), func.unnest(_array("tag_ids"))))
    .on_conflict_do_nothing()
)
_DETACH = Statement(delete(_links).where(_links.c.project_id == _ID, _links.c.tag_id != func.all(_array("but"))))
