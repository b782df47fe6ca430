"""The function behind the version and updated_at of every row."""

from alembic import op

revision = "kernel_0001"
down_revision = None
branch_labels = ("kernel",)
depends_on = None


def upgrade() -> None:
    # updated_at moves on even when the clock does not, or was set back.
    op.execute("""
        CREATE FUNCTION trellis_touch() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.version := OLD.version + 1;
            NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
            RETURN NEW;
        END $$
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION trellis_touch()")
