"""All commands: each teaches, refuses what it does not know, and says by its exit code how it went."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import psycopg
import pytest
from click.testing import CliRunner

from app.cli import assembled
from app.operating.output import EXIT_CODES, Exit
from shared.manifest import discover
from tests.database import clone, url_with
from tests.servers import ROOT as FOLDER
from tests.servers import await_lock, own_environment, trellis

ROOT = assembled(discover())


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(ROOT))
each = pytest.mark.parametrize("path", ALL, ids=" ".join)


class TestTheWalk:
    def test_finds_every_command(self):
        """One that it missed would be held to nothing."""
        known = "serve worker migrate revision seed purge config doctor restored"
        assert {(name,) for name in known.split()} <= ALL.keys()
        assert {("events", "list"), ("module", "new"), ("users", "promote")} <= ALL.keys()


class TestHelp:
    @each
    def test_says_what_the_command_does_and_what_each_option_is(self, path):
        command = ALL[path]
        assert command.help
        assert [one.name for one in command.params if isinstance(one, click.Option) and not one.help] == []

    def test_of_all_says_of_each_what_it_is_for(self):
        for name, command in ROOT.commands.items():
            assert command.get_short_help_str(), name

    @each
    def test_has_an_example(self, path):
        shown = CliRunner().invoke(ROOT, [*path, "--help"])
        assert shown.exit_code == 0
        assert f"Example: trellis {' '.join(path)}" in shown.output

    @each
    def test_has_an_example_that_the_command_takes(self, path):
        command = ALL[path]
        _, *words = shlex.split((command.epilog or "").removeprefix("Example: "))
        assert tuple(words[: len(path)]) == path
        command.make_context(path[-1], words[len(path) :])

    def test_has_the_exit_codes(self):
        shown = CliRunner().invoke(ROOT, ["--help"]).output
        for code, meaning in EXIT_CODES.items():
            assert f"  {code.value}  {meaning}" in shown
        assert {*EXIT_CODES} == {*Exit}


class TestWhatIsNotKnown:
    @each
    def test_is_refused_with_2(self, path):
        refused = CliRunner().invoke(ROOT, [*path, "--no-such-option"])
        assert refused.exit_code == Exit.USAGE
        assert "No such option" in refused.output

    def test_may_be_a_command(self):
        assert CliRunner().invoke(ROOT, ["no-such-command"]).exit_code == Exit.USAGE


class TestTheExitCode:
    """Of a real process."""

    def test_is_3_while_the_database_is_out_of_reach(self):
        done = trellis("purge", DATABASE_URL="postgresql://ann:hunter2@127.0.0.1:1/x")
        assert (done.returncode, done.stdout) == (Exit.UNAVAILABLE, "")

    def test_is_3_while_the_database_has_no_connection_left(self):
        name = f"trellis_small_{os.getpid()}"
        with clone() as url, psycopg.connect(url, autocommit=True) as operator:
            operator.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
            try:
                done = trellis("migrate", DATABASE_URL=url_with(url, user=name, password="x"))
            finally:
                operator.execute(f"DROP ROLE {name}")
        assert done.returncode == Exit.UNAVAILABLE, done.stderr

    def test_is_1_of_what_sigterm_ends_and_its_statement_is_cancelled(self):
        """Not by the signal itself, which a container's first process would not hear."""
        active = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'trellis restored' AND state = 'active'"
        )
        with clone() as url, psycopg.connect(url, autocommit=True) as other:
            with other.transaction():
                other.execute("LOCK TABLE alembic_version")
                command = [sys.executable, "-m", "app.cli", "restored"]
                environment = own_environment({"DATABASE_URL": url})
                with subprocess.Popen(command, cwd=FOLDER, env=environment, stderr=subprocess.PIPE) as process:
                    await_lock(url)
                    process.terminate()
                    told = process.stderr.read()
            assert other.execute(f"{active} AND datname = current_database()").fetchone() == (0,)
        assert (process.returncode, told.splitlines()[-1]) == (Exit.REFUSED, b"Aborted!")

    def test_is_1_of_what_is_refused(self):
        with clone() as url:
            done = trellis("users", "promote", "nobody@example.com", DATABASE_URL=url, TRELLIS_SECRET="0123456789" * 4)
        assert (done.returncode, done.stderr.splitlines()[-1][:9]) == (Exit.REFUSED, "trellis: ")


class TestJson:
    @pytest.mark.parametrize(
        "path",
        [("config",), ("doctor",), ("restored",), ("purge",), ("seed",), ("events", "list"), ("events", "show")],
        ids=" ".join,
    )
    def test_is_there_where_a_script_wants_it(self, path):
        assert any("--json" in option.opts for option in ALL[path].params)
