"""Indexes of flat sorts, and the owner among the words of a search."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "tags_0002"
down_revision = "tags_0001"
branch_labels = None
depends_on = None

WORDS = (
    "setweight(to_tsvector('simple', coalesce(name, '')), 'A') || "
    "setweight(to_tsvector('simple', coalesce(slug, '')), 'B')"
)
OWNER = " || array_to_tsvector(ARRAY['=' || owner_id::text])"


def upgrade() -> None:
    search(WORDS + OWNER)
    op.create_index(
        "ix_tags_owner_id_name_id",
        "tags",
        ["owner_id", "name", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_tags_owner_id_name_id", table_name="tags")
    search(WORDS)


def search(words: str) -> None:
    """Make the column anew. It rewrites the table: PostgreSQL before 17 cannot change the expression of a column."""
    op.drop_index("ix_tags_search", table_name="tags")
    op.drop_column("tags", "search")
    op.add_column("tags", sa.Column("search", postgresql.TSVECTOR(), sa.Computed(words, persisted=True)))
    op.create_index("ix_tags_search", "tags", ["search"], unique=False, postgresql_using="gin")
