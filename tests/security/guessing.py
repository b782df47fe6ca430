"""Guessing: what three processes let through of a thousand guesses, and what a flood of sign-ins does to others.

    python -m tests.security.guessing --help

Guesses at one account come from many addresses, to servers that share a database. No more may be looked at than the
limit of an account has; meanwhile its owner signs in where they did before. Then wrong passwords for many accounts
flood one server, from many addresses, while somebody reads, and owners sign in where they did before.
"""

import asyncio
import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from time import perf_counter

import click
import httpx2
import uvloop

from modules.users.guesses import ACCOUNT
from tests.patience import PATIENCE
from tests.reliability.load import Clients, Tally, percentile
from tests.reliability.stage import DEFAULTS, database
from tests.servers import Server, serving
from tests.sockets import request

SHORT = ("--guesses", "60", "--only", "guesses")
"""What the suite runs. A flood is about times, which a busy machine does not keep."""

PROCESSES, ADDRESSES = 3, 50
FLOOD, OWNERS = 48, 4
"""Clients that guess at once, and people who sign in meanwhile."""
READS, SIGN_INS = 50.0, 4.0
"""A second."""
MOST_REFUSED = 0.1
MOST_SLOWED = 2.0
LEAST_SLOWED = 20.0
"""Milliseconds: of a p99 below this, twice as much is no harm that anybody notices."""
PASSWORD = "correct horse battery"
CHEAP = {"TRELLIS_ARGON2_MEMORY_KIB": "8", "TRELLIS_ARGON2_ITERATIONS": "1"}
DEAR = {"TRELLIS_ARGON2_MEMORY_KIB": "", "TRELLIS_ARGON2_ITERATIONS": ""}
"""As operators have it: 45 ms of a processor for each password."""
SETTINGS = {"TRELLIS_SECRET": "the same for all replicas, of course", "FORWARDED_ALLOW_IPS": "127.0.0.1"}


def sign_in(email: str, password: str, address: str) -> bytes:
    """From an address, which a trusted proxy tells."""
    body = json.dumps({"email": email, "password": password}).encode()
    return request("POST /api/v1/auth/sessions", "Content-Type: application/json", _from(address), body=body)


def _from(address: str) -> str:
    return f"X-Forwarded-For: {address}"


def registered(server: Server, name: str, address: str) -> str:
    """The access token of a new account, which has signed in from the address."""
    body = {"email": f"{name}@example.com", "password": PASSWORD}
    httpx2.post(f"{server.url}/api/v1/users", json=body | {"full_name": name}, timeout=PATIENCE).raise_for_status()
    headers = dict([_from(address).split(": ")])
    answer = httpx2.post(f"{server.url}/api/v1/auth/sessions", json=body, headers=headers, timeout=PATIENCE)
    return str(answer.raise_for_status().json()["access_token"])


async def guessed(servers: list[Server], guesses: int) -> tuple[Tally, Tally, float]:
    """What became of guesses at Ann's account and of her own sign-ins, and how many seconds it took."""
    registered(servers[0], "ann", "192.0.2.1")
    numbers, spent, owners = count(), Tally(), Tally()

    def guess() -> bytes:
        number = next(numbers)
        return sign_in("ann@example.com", f"guess {number}", f"203.0.113.{number % ADDRESSES}")

    async def thief(server: Server) -> None:
        clients = Clients(server.url, guess)
        while spent.count(401, 429, 503) < guesses:
            await clients.ask(spent)
        clients.close()

    begun = perf_counter()
    guessing = asyncio.gather(*(thief(server) for server in servers for _ in range(16)))
    own = Clients(servers[1].url, lambda: sign_in("ann@example.com", PASSWORD, "192.0.2.1"))
    while not guessing.done() or not owners.seconds:
        await own.ask(owners)
        owners.seconds = perf_counter() - begun
        await asyncio.sleep(0.2)
    await guessing
    own.close()
    return spent, owners, perf_counter() - begun


async def flooded(server: Server, seconds: float) -> tuple[Tally, Tally, Tally, Tally]:
    """Reads in quiet times; reads, sign-ins of owners, and guesses in a flood."""
    places = {f"owner{n}@example.com": f"192.0.2.{n}" for n in range(OWNERS)}
    tokens = [registered(server, email.partition("@")[0], place) for email, place in places.items()]

    def read() -> bytes:
        return request("GET /api/v1/users/me", f"Authorization: Bearer {random.choice(tokens)}")

    def own() -> bytes:
        email, place = random.choice([*places.items()])
        return sign_in(email, PASSWORD, place)

    def guess() -> bytes:
        number = random.randrange(100_000)
        return sign_in(f"user{number}@example.com", "wrong", f"203.0.{number % 200}.{number % 250}")

    readers, owners, thieves = (Clients(server.url, wanted) for wanted in (read, own, guess))
    await readers.open(READS, 1)
    quiet = await readers.open(READS, seconds)
    found = await asyncio.gather(
        readers.open(READS, seconds), owners.open(SIGN_INS, seconds), thieves.closed(FLOOD, seconds)
    )
    for clients in (readers, owners, thieves):
        clients.close()
    return quiet, *found


@contextmanager
def servers(number: int, **settings: str) -> Iterator[list[Server]]:
    """Processes on one database."""
    with database() as (url, folder), ExitStack() as stack:
        yield [
            stack.enter_context(serving(_made(folder / f"{n}"), DATABASE_URL=url, **(SETTINGS | settings)))
            for n in range(number)
        ]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def of_guesses(guesses: int) -> Iterator[str]:
    """Tells the figures; gives what is wrong with them."""
    with servers(PROCESSES, **CHEAP) as running:
        spent, owners, seconds = uvloop.run(guessed(running, guesses))
    admitted, most = spent.count(401), ACCOUNT.free + math.log2(seconds + 1) + 1
    click.echo(
        f"{guesses} guesses at one account, from {ADDRESSES} addresses, by {PROCESSES} processes, in {seconds:.1f} s: "
        f"{admitted} looked at, of {most:.1f} at the most; {spent.count(429)} refused by count, {spent.count(503)} for "
        f"want of room. Its owner signed in {owners.count(201)} times of {sum(map(len, owners.answered.values()))}."
    )
    if admitted > most:
        yield "More guesses were looked at than the limit has."
    if owners.count(201) < sum(map(len, owners.answered.values())) or owners.failed:
        yield f"The owner was kept out: {owners.wrong()}."
    yield from _others(spent, 401, 429)


def of_a_flood(seconds: float) -> Iterator[str]:
    """The same."""
    with servers(1, **(DEFAULTS | DEAR)) as (server,):
        quiet, reads, owners, guesses = uvloop.run(flooded(server, seconds))
    before, during = percentile(quiet.good(), 0.99), percentile(reads.good(), 0.99)
    asked = sum(map(len, owners.answered.values()))
    refused = 1 - owners.count(201) / max(1, asked)
    click.echo(
        f"A flood of {FLOOD} clients with wrong passwords, {seconds:g} s: {guesses.count(401)} looked at, "
        f"{guesses.count(429)} refused by count, {guesses.count(503)} for want of room. Reads' p99 {before:.1f} ms "
        f"before and {during:.1f} ms meanwhile; {refused:.0%} of {asked} sign-ins of owners refused."
    )
    if during > max(LEAST_SLOWED, MOST_SLOWED * before):
        yield "Reads were more than twice as slow."
    if refused > MOST_REFUSED:
        yield f"Owners were kept out: {owners.wrong()}."
    yield from _others(guesses, 401, 429)


def _others(tally: Tally, *expected: int) -> Iterator[str]:
    strange = {status: len(times) for status, times in tally.answered.items() if status not in {*expected, 503}}
    if strange or tally.failed:
        yield f"Other answers: {strange} {dict(tally.failed)}."


@click.command()
@click.option("--guesses", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--seconds", type=float, default=20, show_default=True, help="Of the flood.")
@click.option("--only", type=click.Choice(["guesses", "flood"]))
def main(guesses: int, seconds: float, only: str | None) -> None:
    """Guess, flood, and tell."""
    shows: dict[str, Callable[[], Iterator[str]]] = {
        "guesses": lambda: of_guesses(guesses),
        "flood": lambda: of_a_flood(seconds),
    }
    wrong = [sentence for name, show in shows.items() if only in {None, name} for sentence in show()]
    for sentence in wrong:
        click.echo(sentence)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
