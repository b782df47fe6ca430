"""Where, when and by what client a session was used, and when an administrator ended sessions of an account."""

import sqlalchemy as sa
from alembic import op

revision = "users_0003"
down_revision = "users_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sessions", sa.Column("address", sa.String(100), nullable=True))
    op.add_column("sessions", sa.Column("client", sa.String(200), nullable=True))
    op.add_column("users", sa.Column("sessions_ended_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "sessions_ended_at")
    op.drop_column("sessions", "client")
    op.drop_column("sessions", "address")
    op.drop_column("sessions", "used_at")
