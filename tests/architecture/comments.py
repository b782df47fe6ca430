"""A module whose rows belong to another's: comments on projects, as a team would drop it in.

It uses what `modules.projects.api` publishes, all of which comes from the kernel's classes.
"""

COMMENTS = {
    "__init__.py": "",
    "models.py": """
        from uuid import UUID

        from sqlmodel import Field

        from shared.rows import Model, Resource, deletion_group, deletion_time


        class Comment(Model, Resource, table=True):
            __tablename__ = "comments"
            __table_args__ = (deletion_group("ix_comments_deletion_id"), deletion_time("ix_comments_deleted_at"))

            project_id: UUID = Field(foreign_key="projects.id", index=True)
            text: str = Field(max_length=100)
    """,
    "schemas.py": """
        from typing import Annotated
        from uuid import UUID

        from modules.comments.models import Comment
        from modules.projects.api import ProjectSummary
        from shared.reads import Collection, Document, One
        from shared.schemas import Input, Line


        class CommentRead(Document, of=Comment):
            '''A comment.'''

            id: UUID
            project: Annotated[ProjectSummary, One("project_id")]
            text: str


        COMMENTS = Collection(CommentRead)


        class CommentCreate(Input):
            '''A new comment.'''

            project_id: UUID
            text: Line
    """,
    "repository.py": """
        from modules.comments.models import Comment
        from modules.comments.schemas import COMMENTS
        from modules.projects.api import ProjectsApi
        from shared.auth import ADMIN, Policy
        from shared.errors import Forbidden, NotFound
        from shared.writes import Repository


        class CommentNotFound(NotFound):
            '''No comment with this id is visible to you.'''


        class CommentForbidden(Forbidden):
            '''Your role in the project does not allow that.'''


        def role(comments, extensions):
            return ProjectsApi.role_on(comments.c.project_id, extensions)


        class CommentRepository(Repository[Comment]):
            model = Comment
            collection = COMMENTS
            policy = Policy(
                role=role,
                listed=lambda comments, extensions: (role(comments, extensions).is_not(None),),
                allowed=dict.fromkeys(("delete", "restore"), frozenset({"editor", "owner", ADMIN})),
            )
            absent = CommentNotFound
            denied = CommentForbidden
    """,
    "service.py": """
        from modules.comments.repository import CommentRepository
        from modules.projects.api import ProjectNotFound, ProjectsApi


        class CommentService:
            def __init__(self, comments: CommentRepository, projects: ProjectsApi) -> None:
                self._comments = comments
                self._projects = projects

            async def create(self, change, data):
                if not await self._projects.allowed(change, [data.project_id], "change"):
                    raise ProjectNotFound
                id = await self._comments.add(change, **data.model_dump())
                return id, await self._comments.document(change, id)

            async def delete(self, change, id):
                await self._comments.lock(change, id, "delete")
                await self._comments.delete(change, id=id)

            async def restore(self, change, id):
                comment = await self._comments.lock(change, id, "restore", include_deleted=True)
                if not await self._projects.hold_live(change, [comment.project_id]):
                    raise ProjectNotFound
                await self._comments.restore(change, id=id)
                return await self._comments.document(change, id)

            async def delete_along(self, change, event):
                await self._comments.delete_along(change, "project_id", event.deletion_id)

            async def restore_along(self, change, event):
                await self._comments.restore(change, deletion_id=event.deletion_id)
    """,
    "container.py": """
        from dependency_injector import containers, providers

        from modules.comments.repository import CommentRepository
        from modules.comments.service import CommentService
        from modules.projects.api import ProjectsApi


        class CommentsContainer(containers.DeclarativeContainer):
            kernel = providers.DependenciesContainer()
            projects = providers.Dependency(instance_of=ProjectsApi)

            repository = providers.Singleton(CommentRepository, kernel.database, kernel.projector, kernel.cursors)
            service = providers.Factory(CommentService, repository, projects)
    """,
    "router.py": """
        from typing import Annotated
        from uuid import UUID

        from dependency_injector.wiring import Provide
        from fastapi import Depends, Request, Response

        from modules.comments.container import CommentsContainer
        from modules.comments.repository import CommentRepository
        from modules.comments.schemas import COMMENTS, CommentCreate, CommentRead
        from modules.comments.service import CommentService
        from shared.http.reads import created_response, document_response, list_query, page_response
        from shared.http.routes import Caller, CurrentChange, resource_router
        from shared.reads import ListQuery

        Service = Annotated[CommentService, Provide[CommentsContainer.service]]
        Repository = Annotated[CommentRepository, Provide[CommentsContainer.repository]]

        router = resource_router("/comments")


        @router.post("", status_code=201, response_model=CommentRead)
        async def create(data: CommentCreate, change: CurrentChange, service: Service) -> Response:
            id, document = await service.create(change, data)
            return created_response(document, f"/api/v1/comments/{id}")


        @router.get("")
        async def list(
            request: Request,
            caller: Caller,
            query: Annotated[ListQuery, Depends(list_query(COMMENTS))],
            repository: Repository,
        ) -> Response:
            return page_response(request, await repository.list(caller, query))


        @router.get("/{comment_id}", response_model=CommentRead)
        async def get(request: Request, comment_id: UUID, caller: Caller, repository: Repository) -> Response:
            return document_response(request, await repository.get(comment_id, caller))


        @router.delete("/{comment_id}", status_code=204)
        async def delete(comment_id: UUID, change: CurrentChange, service: Service) -> None:
            await service.delete(change, comment_id)


        @router.post("/{comment_id}/restore", response_model=CommentRead)
        async def restore(request: Request, comment_id: UUID, change: CurrentChange, service: Service) -> Response:
            return document_response(request, await service.restore(change, comment_id))
    """,
    "module.py": """
        from modules.comments.container import CommentsContainer
        from modules.comments.repository import CommentRepository
        from modules.comments.router import router
        from modules.comments.service import CommentService
        from modules.projects.api import ProjectDeleted, ProjectRestored
        from shared.manifest import Module

        module = Module(
            name="comments",
            requires=("projects",),
            container=CommentsContainer,
            router=router,
            resources=(CommentRepository,),
            handles={ProjectDeleted: CommentService.delete_along, ProjectRestored: CommentService.restore_along},
        )
    """,
    "../../migrations/versions/comments/comments_0001_tables.py": """
        import sqlalchemy as sa
        from alembic import op

        revision = "comments_0001"
        down_revision = None
        branch_labels = ("comments",)
        depends_on = ["kernel_0001", "projects_0001"]


        def upgrade() -> None:
            op.create_table(
                "comments",
                sa.Column("id", sa.Uuid(), nullable=False),
                sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
                sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
                sa.Column("version", sa.Integer(), server_default="1", nullable=False),
                sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
                sa.Column("deletion_id", sa.Uuid(), nullable=True),
                sa.Column("project_id", sa.Uuid(), nullable=False),
                sa.Column("text", sa.String(100), nullable=False),
                sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_comments_project_id")),
                sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
            )
            op.execute("CREATE TRIGGER touch BEFORE UPDATE ON comments FOR EACH ROW EXECUTE FUNCTION trellis_touch()")
            op.execute("SELECT trellis_journal('comments', 'comments', 'id', '{updated_at}')")
            op.create_index("ix_comments_project_id", "comments", ["project_id"])
            for column in ("deleted_at", "deletion_id"):
                is_deleted = sa.text(f"{column} IS NOT NULL")
                op.create_index(f"ix_comments_{column}", "comments", [column], postgresql_where=is_deleted)


        def downgrade() -> None:
            op.drop_table("comments")
    """,
}
