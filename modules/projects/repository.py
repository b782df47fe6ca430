"""How projects, their members and their tags are found and kept."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from modules.projects.errors import ExternalIdTaken, OwnerDeleted, ProjectForbidden, ProjectNotFound, TooManyProjects
from modules.projects.models import Project, ProjectMember, ProjectTag, Role
from modules.projects.policy import MEMBERSHIP, POLICY
from modules.projects.schemas import MEMBERS, PROJECTS, ProjectCreate
from modules.tags.api import TagSummary
from shared.auth import RESTORE, Principal
from shared.reads import Listing, ListQuery, Page, Representation, Tools
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

    async def add(self, change: Change, **columns: Any) -> UUID:
        """As every repository does. Raises TooManyProjects."""
        id = await super().add(change, **columns)
        await self._demand_room(change, columns["owner_id"])
        return id

    async def upsert(self, change: Change, by: Sequence[str], **columns: Any) -> tuple[UUID, bool]:
        """As every repository does. Raises TooManyProjects, ExternalIdTaken, PreconditionFailed, VersionMismatch,
        AlreadyThere, PreconditionRequired, and Contended.
        """
        id, is_new = await super().upsert(change, by, **columns)
        if is_new:
            await self._demand_room(change, columns["owner_id"])
        return id, is_new

    async def bring_back(self, change: Change, id: UUID) -> Representation:
        """As every repository does. Raises TooManyProjects."""
        project = await self.lock(change, id, RESTORE, include_deleted=True)
        await self.restore(change, project)
        await self._demand_room(change, project.owner_id)
        return await self.document(change, id)

    async def members(self, id: UUID, caller: Principal, query: ListQuery) -> Page:
        """Who shares in a project: the owner, then the others, the longest first. Raises ProjectNotFound,
        InvalidCursor.
        """
        page = await self._members.page(self._database, caller, query, project_id=id)
        if page.items == b"[]":  # Past the end, or of a project that the caller does not see.
            await self.get(id, caller)
        return page

    async def first_co_owner(self, change: Change, id: UUID) -> ProjectMember | None:
        """Of the owners beside the one that the project names, who has shared in it for longest."""
        rows = await change.unit.execute(_FIRST_CO_OWNER, {"project_id": id})
        return _member(rows[0]) if rows else None

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
        await self._demand_room(change, owner_id)
        links = [(ids[line], tag_id) for line, project in batch.rows.items() for tag_id in project.tag_ids]
        if links:
            await self._attach_all(change, links)

    async def detach(self, change: Change, id: UUID, tag_id: UUID) -> None:
        """Take a tag off a project, also a deleted one, which would come back with it."""
        await self._links.remove(change, project_id=id, tag_id=tag_id)

    async def detach_all(self, change: Change, id: UUID, but: Collection[UUID]) -> None:
        """Take off all other tags than these."""
        await change.unit.execute(_DETACH, {"project_id": id, "but": [*but]})

    async def _demand_room(self, change: Change, owner_id: UUID) -> None:
        """The owner, who has got another one, has not too many. Raises TooManyProjects."""
        if self._per_account is not None:
            await _QUOTA.demand(change, owner_id, self._per_account, more=0)

    async def _attach_all(self, change: Change, links: Sequence[tuple[UUID, UUID]]) -> None:
        project_ids, tag_ids = zip(*links, strict=True)
        await change.unit.execute(_ATTACH, {"project_ids": [*project_ids], "tag_ids": [*tag_ids]})


def _array(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(Uuid))


_QUOTA = Quota(Project, "owner_id", TooManyProjects, *live(table_of(Project)))
_member = frozen(ProjectMember)
_tags, _links, _members = TagSummary.rows, table_of(ProjectTag), table_of(ProjectMember)
_ID: ColumnElement[UUID] = bindparam("project_id", type_=Uuid())
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
