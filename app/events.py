"""`trellis events`: the jobs in the queue, as an operator looks at them, and how dead ones are tried again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import click
import psycopg

from app.operating.output import AS_JSON, as_json
from shared.jobs import STATES, FoundJob, history_of, jobs_in, resubmit
from shared.settings import Settings
from shared.wire import connect

Opened = Callable[[], AbstractContextManager[tuple[Settings, object]]]
ID = click.IntRange(0, 2**63 - 1)


def events_command(database: Opened) -> click.Group:
    """The commands."""

    @click.pass_context
    def offer_database(context: click.Context) -> None:
        context.obj = database  # Opened by the command itself: `--help` needs none.

    return click.Group(
        "events",
        {"list": list_jobs, "show": show, "resubmit": try_again},
        callback=offer_database,
        help="Look at jobs, and have dead ones tried again.",
    )


@click.command(epilog="Example: trellis events list --state dead --json")
@click.option("--state", type=click.Choice([*STATES]), multiple=True, help="By default, all but those done.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At the most so many.")
@AS_JSON
@click.pass_context
def list_jobs(context: click.Context, state: tuple[str, ...], limit: int, is_json: bool) -> None:
    """List jobs, the newest first."""
    found = jobs_in(_connection(context), state or [name for name in STATES if name != "done"], limit=limit)
    if is_json:
        click.echo(as_json([job._asdict() for job in found]))
    else:
        for job in found:
            click.echo(_line(job))


@click.command(epilog="Example: trellis events show 42")
@click.argument("id", type=ID)
@AS_JSON
@click.pass_context
def show(context: click.Context, id: int, is_json: bool) -> None:
    """Show all that is known of a job."""
    connection = _connection(context)
    found = jobs_in(connection, [*STATES], limit=1, id=id)
    if not found:
        raise click.ClickException(f"There is no job {id}. Those that ended long ago are removed.")
    known = found[0]._asdict()
    history = [{"at": at, "what": what} for at, what in history_of(connection, id)]
    if is_json:
        click.echo(as_json({**known, "history": history}))
        return
    for name, value in known.items():
        if value is not None:
            click.echo(f"{name:11} {as_json(value) if isinstance(value, dict) else value}")
    for step in history:
        click.echo(f"{'':11} {step['at']} {step['what']}")


@click.command(epilog="Example: trellis events resubmit --all")
@click.argument("ids", metavar="[ID]...", type=ID, nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="All dead jobs.")
@AS_JSON
@click.pass_context
def try_again(context: click.Context, ids: tuple[int, ...], is_all: bool, is_json: bool) -> None:
    """Have dead jobs tried again, from the first attempt on."""
    if is_all == bool(ids):
        raise click.UsageError("Name the jobs, or say --all.")
    done = resubmit(_connection(context), None if is_all else ids)
    click.echo(as_json(done) if is_json else f"Jobs that will be tried again: {len(done):,}.")
    if others := sorted({*ids} - {*done}):
        raise click.ClickException(f"These are no dead jobs: {', '.join(map(str, others))}.")


def _connection(context: click.Context) -> psycopg.Connection[Any]:
    """Until the command ends."""
    settings, _ = context.with_resource(context.obj())
    return context.with_resource(connect(settings.database_url or "", "trellis events", autocommit=True))


def _line(job: FoundJob) -> str:
    about = f" about {job.event}" if job.event else ""
    return f"{job.id}  {job.state}  {job.job}{about}, attempts: {job.attempts}  {job.error or ''}".rstrip()
