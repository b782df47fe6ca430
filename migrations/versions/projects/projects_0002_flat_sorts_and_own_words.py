"""Indexes of flat sorts, and the owner among the words of a search."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "projects_0002"
down_revision = "projects_0001"
branch_labels = None
depends_on = None

WORDS = (
    "setweight(to_tsvector('simple', coalesce(name, '')), 'A') || "
    "setweight(to_tsvector('simple', coalesce(description, '')), 'B')"
)
OWNER = " || array_to_tsvector(ARRAY['=' || owner_id::text])"


def upgrade() -> None:
    search(WORDS + OWNER)
    op.create_index(
        "ix_projects_owner_id_name_id",
        "projects",
        ["owner_id", "name", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_projects_owner_id_due_on_id",
        "projects",
        ["owner_id", "due_on", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_projects_owner_id_due_on_id", table_name="projects")
    op.drop_index("ix_projects_owner_id_name_id", table_name="projects")
    search(WORDS)


def search(words: str) -> None:
    """Make the column anew. It rewrites the table: PostgreSQL before 17 cannot change the expression of a column."""
    op.drop_index("ix_projects_search", table_name="projects")
    op.drop_column("projects", "search")
    op.add_column("projects", sa.Column("search", postgresql.TSVECTOR(), sa.Computed(words, persisted=True)))
    op.create_index("ix_projects_search", "projects", ["search"], unique=False, postgresql_using="gin")
