"""How projects, their members and their tags are found and kept."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from modules.projects.errors import ProjectForbidden, ProjectNotFound
from modules.projects.models import Project, ProjectMember, ProjectTag, Role
from modules.projects.policy import POLICY, role_of_caller
from modules.projects.schemas import MEMBERSHIPS, MemberRead, ProjectRead
from modules.tags.api import TagSummary
from shared.auth.principal import Principal
from shared.extensions import Extensions
from shared.persistence.cursors import Cursors
from shared.persistence.database import Database
from shared.persistence.listing import Listing, Page
from shared.persistence.projection import as_json, table_of
from shared.persistence.repository import Repository
from shared.persistence.soft_delete import live


class ProjectRepository(Repository[Project]):
    """Projects."""

    model = Project
    document = ProjectRead
    policy = POLICY
    absent = ProjectNotFound
    denied = ProjectForbidden

    def __init__(self, database: Database, extensions: Extensions, cursors: Cursors) -> None:
        super().__init__(database, extensions, cursors)
        projects = ProjectRead.rows
        members = (
            select(as_json(MemberRead, MEMBERSHIPS, extensions))
            .join_from(MEMBERSHIPS, projects, projects.c.id == MEMBERSHIPS.c.project_id)
            .where(MEMBERSHIPS.c.project_id == bindparam("id", type_=Uuid()), *live(projects))
            .where(role_of_caller(projects).is_not(None))
        )
        keys = (MEMBERSHIPS.c.place, MEMBERSHIPS.c.since, MEMBERSHIPS.c.user_id)
        self._members = Listing(members, keys, cursors, name="members", newest_first=False)

    async def members(self, id: UUID, principal: Principal, limit: int, cursor: str | None) -> Page:
        """Who shares in a project: the owner, then the others, the longest first. Raises ProjectNotFound,
        InvalidCursor.
        """
        async with self._database.reading() as connection:
            page = await self._members.page(connection, principal, limit, cursor, id=id)
        if not page.items:  # Nobody but an owner of long standing is ever alone: is it there at all?
            await self.get(id, principal)
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

    async def detach(self, id: UUID, tag_ids: Collection[UUID]) -> None:
        """Take tags off a project."""
        on_it = (col(ProjectTag.project_id) == id) & col(ProjectTag.tag_id).in_(tag_ids)
        await self.session.execute(delete(ProjectTag).where(on_it))
