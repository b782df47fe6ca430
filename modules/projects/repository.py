"""How projects, their members and their tags are found and kept."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from modules.projects.errors import ExternalIdTaken, ProjectForbidden, ProjectNotFound
from modules.projects.models import Project, ProjectMember, ProjectTag, Role
from modules.projects.policy import MEMBERSHIP, POLICY
from modules.projects.schemas import MEMBERS, PROJECTS, ProjectCreate
from modules.tags.api import TagSummary
from shared.auth import Principal
from shared.reads import Cursors, Listing, ListQuery, Page, Projector
from shared.rows import live, table_of
from shared.wire import Database, Statement
from shared.writes import Batch, BulkInsert, Repository


class ProjectRepository(Repository[Project]):
    """Projects."""

    model = Project
    collection = PROJECTS
    policy = POLICY
    absent = ProjectNotFound
    denied = ProjectForbidden

    def __init__(self, database: Database, projector: Projector, cursors: Cursors) -> None:
        super().__init__(database, projector, cursors)
        taken = ExternalIdTaken(pointer="/external_id")
        self._import = BulkInsert(database, Project, ProjectCreate, ("owner_id",), taken)
        self._members = Listing(MEMBERS, MEMBERSHIP, projector, cursors, scope=("project_id",))

    async def members(self, id: UUID, caller: Principal, query: ListQuery) -> Page:
        """Who shares in a project: the owner, then the others, the longest first. Raises ProjectNotFound,
        InvalidCursor.
        """
        page = await self._members.page(self._database, caller, query, project_id=id)
        if page.items == b"[]":  # Past the end, or of a project that the caller does not see.
            await self.get(id, caller)
        return page

    async def member(self, id: UUID, user_id: UUID) -> ProjectMember | None:
        """Somebody's membership, of a project that is locked."""
        return await self.session.get(ProjectMember, (id, user_id))

    async def first_co_owner(self, id: UUID) -> ProjectMember | None:
        """Of the owners beside the one that the project names, who has shared in it for longest."""
        statement = (
            select(ProjectMember)
            .where(col(ProjectMember.project_id) == id, col(ProjectMember.role) == Role.OWNER)
            .order_by(col(ProjectMember.created_at), col(ProjectMember.user_id))
            .limit(1)
        )
        member: ProjectMember | None = await self.session.scalar(statement)
        return member

    async def tag_ids(self, id: UUID) -> frozenset[UUID]:
        """The live tags on a project."""
        tags, links = TagSummary.rows, table_of(ProjectTag)
        statement = select(links.c.tag_id).join_from(links, tags, tags.c.id == links.c.tag_id)
        return frozenset(await self.session.scalars(statement.where(links.c.project_id == id, *live(tags))))

    async def attach(self, id: UUID, tag_ids: Collection[UUID]) -> None:
        """Put tags on a project; those that are there stay."""
        if tag_ids:
            links = [{"project_id": id, "tag_id": tag_id} for tag_id in tag_ids]
            await self.session.execute(insert(ProjectTag).values(links).on_conflict_do_nothing())

    async def add_all(self, batch: Batch[ProjectCreate], owner_id: UUID) -> None:
        """Store projects with their tags. Those whose external_id is taken are refused."""
        ids = await self._import.store(batch, owner_id=owner_id)
        links = [(ids[line], tag_id) for line, project in batch.rows.items() for tag_id in project.tag_ids]
        if links:
            project_ids, tag_ids = zip(*links, strict=True)
            await self._database.execute(_ATTACH, {"project_ids": [*project_ids], "tag_ids": [*tag_ids]})

    async def detach(self, id: UUID, tag_id: UUID) -> None:
        """Take a tag off a project, also a deleted one, which would come back with it."""
        await self.session.execute(delete(ProjectTag).where(*_on(id), col(ProjectTag.tag_id) == tag_id))

    async def detach_all(self, id: UUID, but: Collection[UUID]) -> None:
        """Take off all other tags than these."""
        await self.session.execute(delete(ProjectTag).where(*_on(id), col(ProjectTag.tag_id).not_in(but)))


def _array(name: str) -> ColumnElement[UUID]:
    return func.unnest(bindparam(name, type_=ARRAY(Uuid)))


_ATTACH = Statement(
    insert(ProjectTag)
    .from_select(["project_id", "tag_id"], select(_array("project_ids"), _array("tag_ids")))
    .on_conflict_do_nothing()
)


def _on(id: UUID) -> tuple[ColumnElement[bool]]:
    return (col(ProjectTag.project_id) == id,)
