"""What every table builds on: its rows' version and updated_at, the journal of changes, and the kept answers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.rows import TransactionId

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
    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("xid", TransactionId(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
    )
    op.create_index("ix_journal_at_id", "journal", ["at", "id"])
    op.create_index("ix_journal_subject_id_at_id", "journal", ["subject_id", "at", "id"])
    op.create_index("ix_journal_actor_id_at_id", "journal", ["actor_id", "at", "id"])
    op.create_index("ix_journal_xid_id", "journal", ["xid", "id"])
    # Rows come in by the thousand at times: one statement writes for all of them.
    op.execute("""
        CREATE FUNCTION trellis_journal_inserted() RETURNS trigger LANGUAGE plpgsql SET timezone TO 'UTC' AS $$
        DECLARE
            -- The actor, the session and the request, `-` where there is none.
            origin text[] := string_to_array(nullif(current_setting('trellis.origin', true), ''), ' ', '-');
        BEGIN
            INSERT INTO journal (actor_id, session_id, request_id, resource, subject_id, part, action, after)
            SELECT origin[1]::uuid, origin[2]::uuid, origin[3], TG_ARGV[0], (added ->> TG_ARGV[1])::uuid,
                nullif(TG_TABLE_NAME::text, TG_ARGV[0]), 'created', added - TG_ARGV[2]::text[]
            FROM (SELECT to_jsonb(new_rows) AS added FROM new_rows) AS rows;
            RETURN NULL;
        END $$
    """)
    # Of a part all columns are told: they say which part it is, and whose.
    op.execute("""
        CREATE FUNCTION trellis_journal_changed() RETURNS trigger LANGUAGE plpgsql SET timezone TO 'UTC' AS $$
        DECLARE
            origin text[] := string_to_array(nullif(current_setting('trellis.origin', true), ''), ' ', '-');
            part text := nullif(TG_TABLE_NAME::text, TG_ARGV[0]);
            before jsonb := to_jsonb(OLD);
            subject_id uuid := (before ->> TG_ARGV[1])::uuid;
            after jsonb;
            action text := 'changed';
        BEGIN
            before := before - TG_ARGV[2]::text[];
            IF TG_OP = 'UPDATE' THEN
                after := to_jsonb(NEW) - TG_ARGV[2]::text[];
                IF before = after THEN
                    RETURN NULL;
                ELSIF before ->> 'deleted_at' IS NULL AND after ->> 'deleted_at' IS NOT NULL THEN
                    action := 'deleted';
                ELSIF before ->> 'deleted_at' IS NOT NULL AND after ->> 'deleted_at' IS NULL THEN
                    action := 'restored';
                END IF;
                IF part IS NULL THEN
                    SELECT jsonb_object_agg(key, value), jsonb_object_agg(key, after -> key) INTO before, after
                    FROM jsonb_each(before) WHERE value IS DISTINCT FROM after -> key;
                END IF;
            ELSE
                action := CASE WHEN part IS NULL THEN 'purged' ELSE 'deleted' END;
            END IF;
            INSERT INTO journal (actor_id, session_id, request_id, resource, subject_id, part, action, before, after)
            VALUES (origin[1]::uuid, origin[2]::uuid, origin[3], TG_ARGV[0], subject_id, part, action, before, after);
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION trellis_journal(told text, resource text, subject text, untold text) RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE
            arguments text := format('(%L, %L, %L)', resource, subject, untold);
        BEGIN
            EXECUTE format('CREATE TRIGGER journal_inserted AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION trellis_journal_inserted%s', told, arguments);
            EXECUTE format('CREATE TRIGGER journal_changed AFTER UPDATE OR DELETE ON %I
                FOR EACH ROW EXECUTE FUNCTION trellis_journal_changed%s', told, arguments);
        END $$
    """)
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("permissions", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_at", "idempotency_keys", ["at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.execute("DROP FUNCTION trellis_journal(text, text, text, text)")
    op.execute("DROP FUNCTION trellis_journal_changed()")
    op.execute("DROP FUNCTION trellis_journal_inserted()")
    op.drop_table("journal")
    op.execute("DROP FUNCTION trellis_touch()")
