"""API keys, and accounts of services."""

import sqlalchemy as sa
from alembic import op

revision = "users_0003"
down_revision = "users_0002"
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
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["sessions.id"], name=op.f("fk_api_keys_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_api_keys_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_index(op.f("ix_api_keys_owner_id"), "api_keys", ["owner_id"], unique=False)
    op.add_column(
        "users",
        sa.Column(
            "kind",
            sa.Enum("person", "service", name="kind", native_enum=False, create_constraint=True, length=20),
            server_default="person",
            nullable=False,
        ),
    )
    op.add_column("users", sa.Column("owner_id", sa.Uuid(), nullable=True))
    # It fails if a row breaks the rule: mend the rows before. PostgreSQL reads the whole table for the
    # constraint, and nobody can use the table meanwhile.
    op.execute(
        "ALTER TABLE users ADD CONSTRAINT ck_users_service_has_owner CHECK ((kind = 'service') = "
        "(owner_id IS NOT NULL))"
    )
    # It fails if a row breaks the rule: mend the rows before. PostgreSQL reads the whole table for the
    # constraint, and nobody can use the table meanwhile.
    op.execute("ALTER TABLE users ADD CONSTRAINT ck_users_service_no_admin CHECK (kind = 'person' OR role = 'user')")
    # Writes to the table wait while the index is built, about a second for a million rows. If that is too long,
    # give it a revision of its own, in `with op.get_context().autocommit_block():`, with
    # postgresql_concurrently=True and if_not_exists=True.
    op.create_index(
        "ix_users_owner_id_created_at_id",
        "users",
        ["owner_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    # PostgreSQL reads the whole table for it, and writes to both tables wait meanwhile.
    op.create_foreign_key(op.f("fk_users_owner_id"), "users", "users", ["owner_id"], ["id"])


def downgrade() -> None:
    op.drop_constraint(op.f("fk_users_owner_id"), "users", type_="foreignkey")
    op.drop_index("ix_users_owner_id_created_at_id", table_name="users")
    op.execute("ALTER TABLE users DROP CONSTRAINT ck_users_service_no_admin")
    op.execute("ALTER TABLE users DROP CONSTRAINT ck_users_service_has_owner")
    op.drop_column("users", "owner_id")
    op.drop_column("users", "kind")
    op.drop_index(op.f("ix_api_keys_owner_id"), table_name="api_keys")
    op.drop_table("api_keys")
