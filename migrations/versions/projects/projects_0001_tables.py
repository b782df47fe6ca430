"""Projects, their members, and the tags that they carry."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "projects_0001"
down_revision = None
branch_labels = ("projects",)
depends_on = ["kernel_0001", "users_0001", "tags_0001"]


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deletion_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.String(10000), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "active",
                "paused",
                "completed",
                "archived",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "setweight(to_tsvector('simple', coalesce(name, '')), 'A') || "
                "setweight(to_tsvector('simple', coalesce(description, '')), 'B')",
                persisted=True,
            ),
        ),
        sa.CheckConstraint("starts_on <= due_on", name=op.f("ck_projects_dates_in_order")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_projects_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.execute("CREATE TRIGGER touch BEFORE UPDATE ON projects\n        FOR EACH ROW EXECUTE FUNCTION trellis_touch()")
    op.execute("SELECT trellis_journal('projects', 'projects', 'id', '{search,updated_at}')")
    op.create_index("ix_projects_search", "projects", ["search"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_projects_deleted_at",
        "projects",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_projects_deletion_id",
        "projects",
        ["deletion_id"],
        unique=False,
        postgresql_where=sa.text("deletion_id IS NOT NULL"),
    )
    op.create_index(
        "ix_projects_owner_id_created_at_id",
        "projects",
        ["owner_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "uq_projects_owner_id_external_id",
        "projects",
        ["owner_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "project_members",
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deletion_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum("viewer", "editor", "owner", name="role", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_members_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_project_members_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_project_members")),
    )
    op.execute("SELECT trellis_journal('project_members', 'projects', 'project_id', '{}')")
    op.create_index(
        "ix_project_members_deleted_at",
        "project_members",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_project_members_deletion_id",
        "project_members",
        ["deletion_id"],
        unique=False,
        postgresql_where=sa.text("deletion_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_project_members_user_id"), "project_members", ["user_id"], unique=False)
    op.create_table(
        "project_tags",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_tags_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name=op.f("fk_project_tags_tag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "tag_id", name=op.f("pk_project_tags")),
    )
    op.execute("SELECT trellis_journal('project_tags', 'projects', 'project_id', '{}')")
    op.create_index(op.f("ix_project_tags_tag_id"), "project_tags", ["tag_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_project_tags_tag_id"), table_name="project_tags")
    op.drop_table("project_tags")
    op.drop_index(op.f("ix_project_members_user_id"), table_name="project_members")
    op.drop_index(
        "ix_project_members_deletion_id",
        table_name="project_members",
        postgresql_where=sa.text("deletion_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_project_members_deleted_at",
        table_name="project_members",
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.drop_table("project_members")
    op.drop_index(
        "uq_projects_owner_id_external_id", table_name="projects", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index("ix_projects_owner_id_created_at_id", table_name="projects")
    op.drop_index("ix_projects_deletion_id", table_name="projects", postgresql_where=sa.text("deletion_id IS NOT NULL"))
    op.drop_index("ix_projects_deleted_at", table_name="projects", postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_table("projects")
