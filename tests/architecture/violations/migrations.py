"""What migrations do to others, and no way down."""

from tests.architecture.violations.violation import Violation

MIGRATION = """
    from alembic import op
    import sqlalchemy as sa
    revision = "tags_0002"
    def downgrade() -> None:
        op.drop_column("tags", "x")
    def upgrade() -> None:
"""
NEXT = "migrations/versions/tags/tags_0002_planted.py"

MIGRATIONS = {
    "a migration adds a column to a neighbour's table": Violation(
        NEXT,
        f'{MIGRATION}        op.add_column("users", sa.Column("x", sa.String()))  # here',
        "users is a table of 'users': that one's own migration changes it; depend on it by depends_on.",
    ),
    "a migration changes a neighbour's rows": Violation(
        NEXT,
        f'{MIGRATION}        op.execute("UPDATE users SET full_name = upper(full_name)")  # here',
        "users is a table of",
    ),
    "a migration changes a neighbour's rows by a table of its own making": Violation(
        NEXT,
        f'{MIGRATION}        op.execute(sa.table("projects").delete())  # here',
        "projects is a table of 'projects'",
    ),
    "a migration changes a neighbour's rows by way of reading them": Violation(
        NEXT,
        f'{MIGRATION}        op.execute("UPDATE users SET x = (SELECT 1 FROM users LIMIT 1)")  # here',
        "users is a table of 'users': that one's own migration changes it",
    ),
    "a migration reads a neighbour's rows that may not be there": Violation(
        NEXT,
        f'{MIGRATION}        op.execute("UPDATE tags SET x = (SELECT name FROM projects LIMIT 1)")  # here',
        "projects is a table of 'projects': to read its rows, name the newest migration of that one in depends_on.",
    ),
    "a migration has no way down": Violation(
        NEXT,
        """
        revision = "tags_0002"
        def upgrade() -> None: ...
        def downgrade() -> None:  # here
            pass
        """,
        "downgrade() undoes nothing: write what undoes the upgrade.",
    ),
    "a migration refuses to go down": Violation(
        NEXT,
        """
        revision = "tags_0002"
        def downgrade() -> None:  # here
            '''There is none.'''
            raise NotImplementedError
        """,
        "downgrade() undoes nothing",
    ),
    "a migration has only one way": Violation(
        NEXT, 'revision = "tags_0002"  # here\ndef upgrade() -> None: ...', "There is no downgrade(): write what undoes"
    ),
    "a migration imports models": Violation(
        NEXT,
        """
        from modules.tags.models import Tag  # here
        """,
        "modules.tags.models is imported, and will change: write out what this migration needs of it.",
    ),
}
