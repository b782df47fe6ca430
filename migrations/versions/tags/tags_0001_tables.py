"""Tags."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "tags_0001"
down_revision = None
branch_labels = ("tags",)
depends_on = ["kernel_0001", "users_0001"]


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deletion_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("slug", sa.String(50), nullable=False),
        sa.Column("color", sa.String(7), nullable=False),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "setweight(to_tsvector('simple', coalesce(name, '')), 'A') || "
                "setweight(to_tsvector('simple', coalesce(slug, '')), 'B')",
                persisted=True,
            ),
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_tags_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
    )
    op.execute("CREATE TRIGGER touch BEFORE UPDATE ON tags\n        FOR EACH ROW EXECUTE FUNCTION trellis_touch()")
    op.execute("SELECT trellis_journal('tags', 'tags', 'id', '{search,updated_at}')")
    op.create_index("ix_tags_search", "tags", ["search"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_tags_deleted_at",
        "tags",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_tags_deletion_id",
        "tags",
        ["deletion_id"],
        unique=False,
        postgresql_where=sa.text("deletion_id IS NOT NULL"),
    )
    op.create_index(
        "ix_tags_owner_id_created_at_id",
        "tags",
        ["owner_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "uq_tags_owner_id_slug",
        "tags",
        ["owner_id", "slug"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_tags_owner_id_slug", table_name="tags", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_index("ix_tags_owner_id_created_at_id", table_name="tags")
    op.drop_index("ix_tags_deletion_id", table_name="tags", postgresql_where=sa.text("deletion_id IS NOT NULL"))
    op.drop_index("ix_tags_deleted_at", table_name="tags", postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_table("tags")
