"""The queue of jobs: Procrastinate's tables, functions and triggers, by its own migrations up to release 3.10.

This revision stays as it is while Procrastinate goes on: what a later release adds is another revision's. Its files are
few words that every release ships; tests/jobs/test_schema.py tells when one has changed, or when there is a new one.
"""

import re
from importlib.resources import files

from alembic import op

revision = "kernel_0002"
down_revision = "kernel_0001"
branch_labels = None
depends_on = None

PROCRASTINATE = (
    "00.00.00_01_initial.sql",
    "00.05.00_01_drop_started_at_column.sql",
    "00.05.00_02_drop_started_at_column.sql",
    "00.05.00_03_drop_procrastinate_version_table.sql",
    "00.06.00_01_fix_procrastinate_fetch_job.sql",
    "00.07.01_01_fix_trigger_status_events_insert.sql",
    "00.08.01_01_add_queueing_lock_column.sql",
    "00.10.00_01_close_fetch_job_race_condition.sql",
    "00.10.00_02_add_defer_job_function.sql",
    "00.11.00_03_add_procrastinate_periodic_defers.sql",
    "00.12.00_01_add_foreign_key_index.sql",
    "00.14.00_01_add_locks_to_periodic_defer.sql",
    "00.15.02_01_fix_procrastinate_defer_periodic_job.sql",
    "00.16.00_01_add_finish_job_and_retry_job_functions.sql",
    "00.17.00_01_add_trigger_on_job_deletion.sql",
    "00.17.00_02_delete_finished_jobs.sql",
    "00.17.00_03_add_checks_to_finish_job.sql",
    "00.17.00_04_add_checks_to_retry_job.sql",
    "00.18.01_01_fix_finish_job_compat_issue.sql",
    "00.19.00_01_add_index_on_procrastinate_jobs.sql",
    "00.22.00_01_add_kwargs_to_defer_periodic_job.sql",
    "00.23.00_01_null_locks_excluded.sql",
    "01.00.00_01_remove_old_finish_job_function.sql",
    "01.01.01_01_job_id_bigint.sql",
    "02.00.03_01_add_job_priority.sql",
    "02.05.00_01_add_periodic_job_priority.sql",
    "02.06.00_01_add_cancel_states.sql",
    "02.08.00_01_add_additional_params_to_retry_job.sql",
    "02.14.01_01_add_indexes_for_fetch_job.sql",
    "03.00.00_01_pre_cancel_notification.sql",
    "03.00.00_50_post_cancel_notification.sql",
    "03.01.00_01_pre_add_heartbeat.sql",
    "03.01.00_50_post_add_heartbeat.sql",
    "03.02.00_01_pre_batch_defer_jobs.sql",
    "03.02.00_50_post_batch_defer_jobs.sql",
    "03.03.00_01_pre_priority_lock_fetch_job.sql",
    "03.04.00_01_pre_add_retry_failed_job_procedure.sql",
    "03.04.00_50_post_add_retry_failed_job_procedure.sql",
)
"""The files in its package `procrastinate.sql.migrations`, in their order."""

ENUMERATIONS = {
    "procrastinate_job_status": "'todo', 'doing', 'succeeded', 'failed', 'cancelled', 'aborting', 'aborted'",
    "procrastinate_job_event_type": """
        'deferred', 'started', 'deferred_for_retry', 'failed', 'succeeded', 'cancelled', 'abort_requested', 'aborted',
        'scheduled', 'retried'""",
}
"""With all that the files add to them by and by: before release 17, PostgreSQL uses no value in the transaction that
has added it, and ours is one.
"""

_OF_ENUMERATIONS = re.compile(r"CREATE TYPE \w+ AS ENUM \(.*?\n\);|ALTER TYPE \w+ ADD VALUE [^;]+;", re.DOTALL)


def upgrade() -> None:
    for name, values in ENUMERATIONS.items():
        op.execute(f"CREATE TYPE {name} AS ENUM ({values})")
    folder = files("procrastinate.sql.migrations")
    for name in PROCRASTINATE:
        script = _OF_ENUMERATIONS.sub("", (folder / name).read_text())
        # As it is: a parameter's sign in it is none.
        op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})


def downgrade() -> None:
    op.execute("""
        DO $$
        DECLARE
            command text;
        BEGIN
            DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs, procrastinate_workers
                CASCADE;  -- A function gives a row of one.
            FOR command IN
                SELECT format('DROP FUNCTION %s', oid::regprocedure) FROM pg_proc
                WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, 'procrastinate_')
            LOOP
                EXECUTE command;
            END LOOP;
            DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_status, procrastinate_job_event_type;
        END $$
    """)
