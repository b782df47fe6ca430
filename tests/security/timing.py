"""What the time of an answer tells of an account: of a sign-in with a wrong password, and of asking for a reset.

    python -m tests.security.timing --help

One client asks one server, which hashes as by default, about accounts of each kind, in random order. Of two kinds, AUC
is the probability that an answer about the one took longer than one about the other: 0.5 tells nothing, 0 or 1
everything. It needs a quiet machine.
"""

import http.client
import json
import random
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import combinations
from time import perf_counter
from uuid import uuid4

import click
import psycopg
from argon2 import PasswordHasher

from tests.mails import SITE
from tests.patience import PATIENCE
from tests.reliability.load import percentile
from tests.reliability.stage import stage

SHORT = ("--samples", "3", "--tolerance", "0.5")
"""What the suite runs: with this tolerance, nothing is asserted of times."""

KINDS = ("unknown", "known", "deactivated", "older")
"""`older` is hashed with parameters of before, which take a fifth of the time."""
ACCOUNTS = 50
"""Of each kind, which are asked about in turn."""
FRESH = 8
"""Rounds, each with one answer about each kind, until failures are forgotten, so that no limit is reached."""
PATHS = {"sign-in": ("/api/v1/auth/sessions", 401), "reset": ("/api/v1/auth/password-reset", 202)}
PASSWORD = "correct horse battery"
SETTINGS = {
    "TRELLIS_ARGON2_MEMORY_KIB": "",
    "TRELLIS_ARGON2_ITERATIONS": "",
    "TRELLIS_MAIL_FROM": "no-reply@example.org",
    "TRELLIS_PUBLIC_URL": SITE,
}
_ADD = """
    INSERT INTO users (id, email, full_name, password_hash, role, is_active, email_verified)
    VALUES (%s, %s, 'Ann', %s, 'user', %s, true)
"""

Times = dict[str, list[float]]
"""Seconds, by kind."""


def auc(some: Sequence[float], others: Sequence[float]) -> float:
    """The probability that one of some is more than one of the others; of equal ones, a half."""
    ordered = sorted(others)
    above = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in some)
    return above / (2 * len(some) * len(others))


def email_of(kind: str, number: int) -> str:
    """All of one length."""
    return f"{kind[0]}{number % ACCOUNTS:03}@example.com"


def add_accounts(connection: psycopg.Connection) -> None:
    """Of each kind but the first."""
    present, older = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1), PasswordHasher(1, 8_192, 1)
    hashes = {kind: (older if kind == "older" else present).hash(PASSWORD) for kind in KINDS[1:]}
    for kind, encoded in hashes.items():
        for number in range(ACCOUNTS):
            connection.execute(_ADD, [uuid4(), email_of(kind, number), encoded, kind != "deactivated"])


def measured(server: str, connection: psycopg.Connection, what: str, samples: int) -> Times:
    """The times of so many answers about each kind, after some that do not count."""
    path, expected = PATHS[what]
    times: Times = {kind: [] for kind in KINDS}
    client = http.client.HTTPConnection(server.removeprefix("http://"), timeout=PATIENCE)
    warm_up = min(samples, ACCOUNTS)
    for number in range(-warm_up, samples):
        if number % FRESH == 0:
            connection.execute("TRUNCATE sign_in_failures")
        for kind in random.sample(KINDS, len(KINDS)):
            body = {"email": email_of(kind, number)} | ({"password": "a wrong one"} if what == "sign-in" else {})
            content = json.dumps(body)
            begun = perf_counter()
            client.request("POST", path, content, {"Content-Type": "application/json"})
            answer = client.getresponse()
            answer.read()
            took = perf_counter() - begun
            if answer.status != expected:
                raise click.ClickException(f"{what} of an account that is {kind} was answered {answer.status}.")
            if number >= 0:
                times[kind].append(took)
    client.close()
    return times


def told(what: str, times: Times, tolerance: float) -> Iterator[str]:
    """Tells the figures; gives what is wrong with them."""
    medians = ", ".join(f"{kind} {percentile(times[kind], 0.5):.2f} ms" for kind in KINDS)
    click.echo(f"{what}, medians of {len(times[KINDS[0]])}: {medians}")
    for one, other in combinations(KINDS, 2):
        found = auc(times[one], times[other])
        click.echo(f"{what}, {one} and {other}: AUC {found:.3f}")
        if abs(found - 0.5) > tolerance:
            yield f"The time of a {what} tells {one} from {other}."


@click.command()
@click.option("--samples", type=click.IntRange(1), default=1000, show_default=True, help="Of each kind.")
@click.option("--tolerance", type=float, default=0.05, show_default=True, help="Around 0.5.")
@click.option("--only", type=click.Choice([*PATHS]))
def main(samples: int, tolerance: float, only: str | None) -> None:
    """Ask, measure, and tell."""
    wrong: list[str] = []
    with (
        stage(**SETTINGS, TRELLIS_MAIL_URL="file:///nowhere") as (server, url),  # No worker writes a mail.
        psycopg.connect(url, autocommit=True) as connection,
    ):
        add_accounts(connection)
        for what in [only] if only else PATHS:
            wrong += told(what, measured(server.url, connection, what, samples), tolerance)
    for sentence in wrong:
        click.echo(sentence)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
