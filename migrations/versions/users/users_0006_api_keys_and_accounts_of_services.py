"""API keys, and accounts of services."""

import sqlalchemy as sa
from alembic import op

revision = "users_0006"
down_revision = "users_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("first_characters", sa.String(20), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.String()), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["sessions.id"], name=op.f("fk_api_keys_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_api_keys_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.execute("SELECT trellis_journal('api_keys', 'users', 'owner_id', '{digest}')")
    op.create_index(op.f("ix_api_keys_owner_id"), "api_keys", ["owner_id"], unique=False)
    op.create_index(op.f("ix_api_keys_digest"), "api_keys", ["digest"], unique=False)
    # squawk: constraint-missing-not-valid, every row keeps it and the table of accounts is read in a moment
    # squawk: adding-foreign-key-constraint, the column is new and empty
    # squawk: require-concurrent-index-creation, the column is new and empty
    op.add_column("users", sa.Column("owner_id", sa.Uuid(), nullable=True))
    # All rows keep it: they have no owner. PostgreSQL reads the whole table for it, and nobody can use that meanwhile:
    # about half a second for a million rows.
    op.create_check_constraint(op.f("ck_users_service_no_administrator"), "users", "owner_id IS NULL OR role = 'user'")
    # Writes to the table wait while the index is built, about a second for a million rows.
    op.create_index(op.f("ix_users_owner_id"), "users", ["owner_id"], unique=False)
    # PostgreSQL reads the whole table for it, and writes to both tables wait meanwhile.
    op.create_foreign_key(op.f("fk_users_owner_id"), "users", "users", ["owner_id"], ["id"])


def downgrade() -> None:
    op.drop_constraint(op.f("fk_users_owner_id"), "users", type_="foreignkey")
    op.drop_index(op.f("ix_users_owner_id"), table_name="users")
    op.drop_constraint(op.f("ck_users_service_no_administrator"), "users", type_="check")
    op.drop_column("users", "owner_id")
    op.drop_index(op.f("ix_api_keys_digest"), table_name="api_keys")
    op.drop_index(op.f("ix_api_keys_owner_id"), table_name="api_keys")
    op.drop_table("api_keys")
