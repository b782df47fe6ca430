"""Invitations to projects."""

import sqlalchemy as sa
from alembic import op

revision = "projects_0003"
down_revision = "projects_0002"
branch_labels = None
depends_on = "kernel_0002"


# squawk: prefer-bigint-over-int, a version counts the changes of one row


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deletion_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("inviter_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column(
            "role",
            sa.Enum("viewer", "editor", "owner", name="role", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("num_nonnulls(user_id, email) = 1", name=op.f("ck_invitations_one_addressee")),
        sa.ForeignKeyConstraint(
            ["inviter_id"], ["users.id"], name=op.f("fk_invitations_inviter_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_invitations_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
    )
    op.execute("CREATE TRIGGER touch BEFORE UPDATE ON invitations FOR EACH ROW EXECUTE FUNCTION trellis_touch()")
    op.execute("SELECT trellis_journal('invitations', 'invitations', 'id', '{updated_at}')")
    op.create_index(
        "ix_invitations_deleted_at",
        "invitations",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_invitations_deletion_id",
        "invitations",
        ["deletion_id"],
        unique=False,
        postgresql_where=sa.text("deletion_id IS NOT NULL"),
    )
    op.create_index(
        "ix_invitations_email",
        "invitations",
        [sa.literal_column("lower(email)")],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(op.f("ix_invitations_expires_at"), "invitations", ["expires_at"], unique=False)
    op.create_index(op.f("ix_invitations_inviter_id"), "invitations", ["inviter_id"], unique=False)
    op.create_index(
        "ix_invitations_project_id_created_at_id",
        "invitations",
        ["project_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(op.f("ix_invitations_user_id"), "invitations", ["user_id"], unique=False)
    op.create_index(
        "uq_invitations_project_id_email",
        "invitations",
        ["project_id", sa.literal_column("lower(email)")],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "uq_invitations_project_id_user_id",
        "invitations",
        ["project_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_invitations_project_id_user_id", table_name="invitations", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index(
        "uq_invitations_project_id_email", table_name="invitations", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index(op.f("ix_invitations_user_id"), table_name="invitations")
    op.drop_index("ix_invitations_project_id_created_at_id", table_name="invitations")
    op.drop_index(op.f("ix_invitations_inviter_id"), table_name="invitations")
    op.drop_index(op.f("ix_invitations_expires_at"), table_name="invitations")
    op.drop_index("ix_invitations_email", table_name="invitations", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_index(
        "ix_invitations_deletion_id", table_name="invitations", postgresql_where=sa.text("deletion_id IS NOT NULL")
    )
    op.drop_index(
        "ix_invitations_deleted_at", table_name="invitations", postgresql_where=sa.text("deleted_at IS NOT NULL")
    )
    op.drop_table("invitations")
