"""A module whose rows are part of another's: comments on projects, as a team would drop it in."""

COMMENTS = {
    "__init__.py": "",
    "models.py": """
        from uuid import UUID

        from sqlmodel import Field

        from shared.rows import Model, Resource, part_of


        class Comment(Model, Resource, table=True):
            __tablename__ = "comments"

            project_id: UUID = part_of("projects")
            text: str = Field(max_length=100)
    """,
    "schemas.py": """
        from typing import Annotated
        from uuid import UUID

        from pydantic import Field

        from modules.comments.models import Comment
        from modules.projects.api import ProjectSummary
        from shared.reads import Collection, Document, One
        from shared.schemas import Input, Line


        class CommentRead(Document, of=Comment):
            '''A comment.'''

            id: UUID
            project: Annotated[ProjectSummary, One("project_id")] = Field(description="What it is about.")
            text: str = Field(description="What it says.")


        COMMENTS = Collection(CommentRead)


        class CommentCreate(Input):
            '''A new comment.'''

            project_id: UUID = Field(
                description="The project that it is about.", examples=["019c2f4e-0000-7000-8000-000000000000"]
            )
            text: Annotated[Line, Field(max_length=100, description="What it says.", examples=["Well done."])]
    """,
    "repository.py": """
        from modules.comments.models import Comment
        from modules.comments.schemas import COMMENTS
        from shared.errors import Forbidden, NotFound
        from shared.writes import Repository


        class CommentNotFound(NotFound):
            '''No comment with this id is visible to you.'''


        class CommentForbidden(Forbidden):
            '''Your role in the project does not allow that.'''


        class CommentRepository(Repository[Comment]):
            model = Comment
            collection = COMMENTS
            absent = CommentNotFound
            denied = CommentForbidden
    """,
    "container.py": """
        from dependency_injector import containers, providers

        from modules.comments.repository import CommentRepository


        class CommentsContainer(containers.DeclarativeContainer):
            kernel = providers.DependenciesContainer()

            repository = providers.Singleton(CommentRepository, kernel.tools)
    """,
    "router.py": """
        from typing import Annotated
        from uuid import UUID

        from dependency_injector.wiring import Provide
        from fastapi import Request, Response

        from modules.comments.container import CommentsContainer
        from modules.comments.repository import CommentRepository
        from modules.comments.schemas import COMMENTS, CommentCreate, CommentRead
        from shared.http.reads import created_response, document_response, reads
        from shared.http.routes import CurrentChange, resource_router

        Repository = Annotated[CommentRepository, Provide[CommentsContainer.repository]]

        router = resource_router("/comments", about="What members of a project say about it.")


        @router.post("", status_code=201, response_model=CommentRead)
        async def create(
            request: Request, data: CommentCreate, change: CurrentChange, repository: Repository
        ) -> Response:
            '''Say something about a project.'''
            return created_response(request, await repository.create(change, **data.model_dump()))


        reads(router, COMMENTS, Repository)


        @router.delete("/{comment_id}", status_code=204)
        async def delete(comment_id: UUID, change: CurrentChange, repository: Repository) -> None:
            '''Delete a comment.'''
            await repository.remove(change, comment_id)


        @router.post("/{comment_id}/restore", response_model=CommentRead)
        async def restore(
            request: Request, comment_id: UUID, change: CurrentChange, repository: Repository
        ) -> Response:
            '''Restore a deleted comment.'''
            return document_response(request, await repository.bring_back(change, comment_id))
    """,
    "module.py": """
        from modules.comments.container import CommentsContainer
        from modules.comments.repository import CommentRepository
        from modules.comments.router import router
        from shared.manifest import Module

        module = Module(
            name="comments",
            requires=("projects",),
            container=CommentsContainer,
            router=router,
            resources=(CommentRepository,),
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
            newest = [sa.text("created_at DESC"), sa.text("id DESC")]
            op.create_index("ix_comments_project_id_created_at_id", "comments", ["project_id", *newest])
            for column in ("deleted_at", "deletion_id"):
                is_deleted = sa.text(f"{column} IS NOT NULL")
                op.create_index(f"ix_comments_{column}", "comments", [column], postgresql_where=is_deleted)


        def downgrade() -> None:
            op.drop_table("comments")
    """,
}
