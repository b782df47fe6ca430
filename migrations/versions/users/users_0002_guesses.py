"""Counts of wrong passwords, known places, and the indexes by which sessions and used tokens are purged.

The two indexes keep sign-ins and refreshes waiting while they are built, about a second for a million rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "users_0002"
down_revision = "users_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_places",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_known_places")),
    )
    op.create_index(op.f("ix_known_places_at"), "known_places", ["at"], unique=False)
    op.create_table(
        "sign_in_failures",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Float(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_at"), "sign_in_failures", ["at"], unique=False)
    op.create_index(
        "ix_refresh_tokens_used_at",
        "refresh_tokens",
        ["used_at"],
        unique=False,
        postgresql_where=sa.text("used_at IS NOT NULL"),
    )
    op.create_index(
        "ix_sessions_over_at", "sessions", [sa.literal_column("LEAST(expires_at, revoked_at)")], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_sessions_over_at", table_name="sessions")
    op.drop_index(
        "ix_refresh_tokens_used_at", table_name="refresh_tokens", postgresql_where=sa.text("used_at IS NOT NULL")
    )
    op.drop_index(op.f("ix_sign_in_failures_at"), table_name="sign_in_failures")
    op.drop_table("sign_in_failures")
    op.drop_index(op.f("ix_known_places_at"), table_name="known_places")
    op.drop_table("known_places")
