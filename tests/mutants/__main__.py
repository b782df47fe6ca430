"""Mutants of the kernel: faults made on purpose, and which of them no test sees.

`make mutants MUTANTS='--count 200 --seed 1'`, or `python -m tests.mutants --help`. At first the whole suite runs once,
measured, to tell which tests reach which line; that is kept in `.mutants/` while the tree is the same. Then each mutant
of a random sample runs in a copy of the tree against tests that reach it. survivors.md lists those that may survive,
each with its reason. The exit code is 1 if another one does.

A survivor got past the chosen tests, which are not all: `--only ID --tests 9999 --seconds 9999` tries every one that
reaches it, `--only ID --first tests/test_purge.py` a file that should see it. After a test was added, `--only ID` tries
those of changed files first, and measures nothing anew.
"""

import json
import os
import re
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice, zip_longest
from pathlib import Path
from queue import SimpleQueue

import click

from tests.database import template
from tests.mutants import choosing, trees
from tests.mutants.mutations import Mutant, mutants
from tests.mutants.reach import Reach, measure

TARGET = "shared"
KEPT = trees.ROOT / ".mutants"
SURVIVORS = Path(__file__).with_name("survivors.md")
FIRST = 25
"""So many tests are tried first: they kill most mutants, and are collected sooner than all."""


@dataclass
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    killer: str
    """The test that saw it, or what else ended it; empty if nothing did."""
    tried: int
    reaching: int
    seconds: float

    def __str__(self) -> str:
        """One line."""
        mutant, told = self.mutant, f"killed by {self.killer[:150]}" if self.killer else "SURVIVED"
        place = f"{mutant.id} {mutant.file}:{mutant.lines.start} {mutant.function or '-'} {mutant.operator}"
        return f"{place}: {told} ({self.tried} of {self.reaching} tests, {self.seconds:.1f} s)"


class Court:
    """Where mutants are tried: trees, one for each at a time, and the one database server of all."""

    def __init__(self, free: Iterable[trees.Tree], database: str, reach: Reach, most: int, seconds: float) -> None:
        self._free = SimpleQueue[trees.Tree]()
        for tree in free:
            self._free.put(tree)
        self._database, self._reach, self._most, self._seconds = database, reach, most, seconds
        self._sound, self._unsound = set[str](), set[str]()

    def judge(self, mutant: Mutant, first: Iterable[str] = ()) -> Verdict:
        """Run these files of tests, and then tests that reach the mutant."""
        began = time.monotonic()
        reaching = self._reach.tests(mutant)
        tests = dict.fromkeys(first, float(choosing.PATIENCE)) | self._within_limits(reaching)
        tree = self._free.get()
        try:
            while (killer := self._killer(tree, mutant, tests)) and not self._is_sound(tree, killer, tests):
                del tests[killer]
        finally:
            self._free.put(tree)
        return Verdict(mutant, killer, len(tests), len(reaching), time.monotonic() - began)

    def _within_limits(self, reaching: list[str]) -> dict[str, float]:
        tests: dict[str, float] = {}
        left = self._seconds
        for name in reaching:
            took = self._reach.seconds[name]
            if len(tests) < self._most and took <= left and name not in self._unsound:
                tests[name] = took
                left -= took
        return tests

    def _killer(self, tree: trees.Tree, mutant: Mutant, tests: dict[str, float]) -> str:
        first, rest = dict(islice(tests.items(), FIRST)), dict(islice(tests.items(), FIRST, None))
        with tree.mutated(mutant.file, mutant.code()):
            return self._failed(tree, first) or self._failed(tree, rest)

    def _is_sound(self, tree: trees.Tree, killer: str, tests: dict[str, float]) -> bool:
        """Whether the test passes alone and without a mutant; one may have leant on those that ran before it."""
        test = killer if killer in tests else next(iter(tests))
        if test not in self._sound | self._unsound:
            (self._unsound if self._failed(tree, {test: tests[test]}) else self._sound).add(test)
        if test in self._unsound and test != killer:
            raise click.ClickException(f"Without a mutant {test} fails: no verdict counts.")
        return test not in self._unsound

    def _failed(self, tree: trees.Tree, tests: dict[str, float]) -> str:
        """What fails; empty if nothing does."""
        if not tests:
            return ""
        options = choosing.arguments(chosen := tree.folder.with_suffix(".json"), tests)
        limit = choosing.limit(sum(tests.values()))
        variables = {choosing.CHOSEN: str(chosen), "DATABASE_URL": self._database}
        ended, _ = tree.pytest("-n0", "-x", *options, variables=variables, limit=limit)
        if ended is None:
            return "time"
        if ended in {0, 5}:  # 5: the mutant has changed the ids of all that were chosen.
            return ""
        return choosing.failed(chosen) or f"pytest's exit code {ended}"


def sample(found: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """As many of each operator as there are, in turn: half of all mutants lack an argument, and most of these die.

    The order is that of hashes, so that a change of the source changes little of the sample.
    """
    by_operator = defaultdict[str, list[Mutant]](list)
    for mutant in sorted(found, key=lambda mutant: sha256(f"{seed} {mutant.id}".encode()).digest()):
        by_operator[mutant.operator].append(mutant)
    turns = chain.from_iterable(zip_longest(*(by_operator[name] for name in sorted(by_operator))))
    return [mutant for mutant in turns if mutant is not None][:count]


def measured(jobs: int, *, any_tree: bool) -> tuple[Reach, list[str]]:
    """What the measured run tells, and the files of tests that are others since."""
    of_tree = KEPT / "tree.json"
    now, then = trees.hashes(), json.loads(of_tree.read_text()) if of_tree.exists() else {}
    if now != then and not (any_tree and then):
        click.echo("Measuring which tests reach which line; the whole suite runs once ...")
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir()
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            Path(folder).chmod(0o755)
            click.echo(measure(trees.copied(Path(folder) / "tree"), KEPT, jobs))
        of_tree.write_text(json.dumps(then := now))
    others = [name for name in now if now[name] != then.get(name) and Path(name).name.startswith("test_")]
    return Reach(KEPT), others


@click.command()
@click.option("--count", default=200, show_default=True, help="How many mutants are sampled.")
@click.option("--seed", default=1, show_default=True, help="Of the sample.")
@click.option("--only", multiple=True, metavar="ID", help="Run this mutant, against changed files of tests first.")
@click.option("--first", multiple=True, metavar="FILE", help="Try this file of tests before all others.")
@click.option("--tests", default=400, show_default=True, help="How many tests a mutant has to get past at most.")
@click.option("--seconds", default=60, show_default=True, help="How long these take at most without a mutant.")
@click.option("--jobs", default=os.cpu_count(), show_default=True, help="How many mutants run at once.")
def main(
    *, count: int, seed: int, only: tuple[str, ...], first: tuple[str, ...], tests: int, seconds: int, jobs: int
) -> None:
    """Sample mutants of the kernel, run each against the tests that reach it, and list the survivors."""
    found = {mutant.id: mutant for mutant in mutants(trees.ROOT, TARGET)}
    known = set(re.findall(r"^\| `(\w+)`", SURVIVORS.read_text(), re.MULTILINE))
    for gone in sorted(known - found.keys()):
        click.echo(f"{gone} is in {SURVIVORS.name}, and is no mutant any more.")
    if unknown := set(only) - found.keys():
        raise click.UsageError(f"There is no such mutant: {', '.join(sorted(unknown))}.")
    chosen = [found[name] for name in only] or sample(found.values(), count, seed)
    reach, changed = measured(jobs, any_tree=bool(only))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
        folder.chmod(0o755)  # Some tests are another user.
        copies = [trees.copied(folder / str(number)) for number in range(jobs)]
        court = Court(copies, stack.enter_context(template()), reach, tests, seconds)
        pool = ThreadPoolExecutor(jobs)
        stack.callback(pool.shutdown, cancel_futures=True)
        verdicts = []
        for done in as_completed([pool.submit(court.judge, mutant, [*first, *changed]) for mutant in chosen]):
            verdicts.append(done.result())
            click.echo(f"{len(verdicts)}/{len(chosen)} {verdicts[-1]}")
    if _reported(verdicts, known):
        raise SystemExit(1)


def _reported(verdicts: list[Verdict], known: set[str]) -> list[Verdict]:
    """Tell how it went. The survivors that are not listed."""
    survivors = [verdict for verdict in verdicts if not verdict.killer]
    new = [verdict for verdict in survivors if verdict.mutant.id not in known]
    for verdict in new:
        mutant = verdict.mutant
        click.echo(f"\n| `{mutant.id}` | {mutant.file} | {mutant.function} | `{mutant.operator}` | ? |")
        click.echo(mutant.difference())
    by_time = sum(verdict.killer == "time" for verdict in verdicts)
    mean = sum(verdict.seconds for verdict in verdicts) / len(verdicts)
    click.echo(
        f"\n{len(verdicts) - len(survivors)} of {len(verdicts)} killed, {by_time} of them by time. "
        f"{len(survivors)} survived, {len(survivors) - len(new)} of them known. {mean:.1f} s each."
    )
    return new


if __name__ == "__main__":
    main()
