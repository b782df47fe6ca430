"""What has been asked for, and is confirmed by a link in a mail."""

import sqlalchemy as sa
from alembic import op

revision = "users_0005"
down_revision = "users_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "confirmations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "registration", "address", "reset", name="purpose", native_enum=False, create_constraint=True, length=20
            ),
            nullable=False,
        ),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("full_name", sa.String(200), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_confirmations")),
    )
    op.create_index(op.f("ix_confirmations_digest"), "confirmations", ["digest"], unique=False)
    op.create_index(op.f("ix_confirmations_expires_at"), "confirmations", ["expires_at"], unique=False)
    op.create_index(op.f("ix_confirmations_user_id"), "confirmations", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_confirmations_user_id"), table_name="confirmations")
    op.drop_index(op.f("ix_confirmations_expires_at"), table_name="confirmations")
    op.drop_index(op.f("ix_confirmations_digest"), table_name="confirmations")
    op.drop_table("confirmations")
