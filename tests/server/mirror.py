"""The mirror harness: programs that follow the guide's recipe, while others write and the server is killed.

`make mirror MINUTES=5`, or `python -m tests.server.mirror --help`. In the end each mirror has to be equal to what the
server answers, byte for byte. The recipe is the text of docs/guide/following-changes.md.
"""

import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click
import httpx2

from tests.patience import PATIENCE
from tests.server.crashes import Api, Cluster
from tests.server.mirror_writers import PAUSE, Account, World, Writer
from tests.servers import ROOT, trellis

GUIDE = ROOT / "docs/guide/following-changes.md"
WRITERS = 3
DEATHS = 0.02
"""How often a mirror dies in the midst of its work, of its requests."""

Documents = dict[str, dict[str, Any]]
Get = Callable[..., Any]


@dataclass
class Recipe:
    """The functions that the guide has."""

    start: Callable[[Get, Sequence[str]], tuple[Documents, str]]
    follow: Callable[[Get, Documents, str], tuple[str, bool]]
    read: Callable[..., dict[str, Any]]

    @classmethod
    def of(cls, text: str) -> "Recipe":
        """From the text of the guide."""
        (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        names: dict[str, Any] = {}
        exec(compile(code, str(GUIDE), "exec"), names)
        return cls(names["start"], names["follow"], names["read"])


class Died(Exception):
    """The program that mirrors was killed."""


@dataclass
class Stored:
    """What a mirror has on its disk."""

    documents: dict[str, str]
    """Of each resource, as JSON."""
    cursor: str


@dataclass
class Mirror:
    """Who follows, from what is stored on: all else is forgotten at each death."""

    account: Account
    resources: Sequence[str]
    recipe: Recipe
    http: httpx2.Client
    chance: random.Random
    stored: Stored | None = None
    polls: int = 0
    deaths: int = 0
    mortal: bool = True

    def step(self) -> bool:
        """One poll by the recipe. Whether there is more."""
        try:
            if self.stored is None:
                return self._store(*self.recipe.start(self._get, self.resources), more=True)
            documents = {name: json.loads(text) for name, text in self.stored.documents.items()}
            cursor, more = self.recipe.follow(self._get, documents, self.stored.cursor)
            self.polls += 1
            return self._store(documents, cursor, more=more)
        except Died:
            self.deaths += 1
            return True

    def differences(self) -> list[str]:
        """Where what is stored is not what the server answers."""
        assert self.stored is not None
        found = []
        for name in self.resources:
            kept = json.loads(self.stored.documents[name])
            answered = dict(self._answered(name))
            for id in sorted(kept.keys() | answered.keys()):
                mine = _as_sent(kept[id]) if id in kept else "nothing"
                if mine != answered.get(id, "nothing"):
                    told = f"{self.account.email} has of {name}/{id}:\n  {mine}\nand the server answers:\n  "
                    found.append(told + answered.get(id, "nothing"))
        return found

    def count(self) -> int:
        """How many documents it has."""
        assert self.stored is not None
        return sum(len(json.loads(text)) for text in self.stored.documents.values())

    def _store(self, documents: Documents, cursor: str, *, more: bool) -> bool:
        self.stored = Stored({name: json.dumps(kept) for name, kept in documents.items()}, cursor)
        return more

    def _answered(self, name: str) -> Iterator[tuple[str, str]]:
        """The documents of a list, as the server wrote them."""
        query: dict[str, Any] | None = {"limit": 100}
        while query is not None:
            sent = self._request(f"/{name}", query).text
            page = json.loads(sent)
            # So what is written of a parsed document are the bytes that came.
            assert _as_sent(page) == sent
            yield from ((document["id"], _as_sent(document)) for document in page["items"])
            query = {"limit": 100, "cursor": page["next_cursor"]} if page["next_cursor"] else None

    def _get(self, path: str, **query: Any) -> Any:
        if self.mortal and self.chance.random() < DEATHS:
            raise Died
        return self._request(path, query).json()

    def _request(self, path: str, query: dict[str, Any]) -> httpx2.Response:
        """The answer, be the server down or the account deleted for a while."""
        deadline = time.monotonic() + PATIENCE
        last = ""
        while time.monotonic() < deadline:
            with suppress(httpx2.TransportError):
                headers = {"Authorization": f"Bearer {self.account.token}"}
                answer = self.http.get(path, params=query, headers=headers)
                if answer.status_code == 200:
                    return answer
                assert answer.status_code in {401, 503}, answer.text
                last = answer.text
            time.sleep(PAUSE)
        raise AssertionError(f"{self.account.email} gets no answer: {last}")


def _as_sent(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Follower(Thread):
    """Keeps a mirror, until the end and then until there is nothing more."""

    def __init__(self, mirror: Mirror, world: World, end: Event) -> None:
        super().__init__(daemon=True, name=f"mirror of {mirror.account.email}")
        self._mirror, self._world, self._end = mirror, world, end

    def run(self) -> None:
        """Follow."""
        try:
            while not self._end.is_set() and not self._world.unexpected:
                if not self._mirror.step():
                    time.sleep(self._mirror.chance.uniform(0, 0.2))
            self._mirror.mortal = False
            for _ in range(2):  # What it was in the midst of, and what came after that.
                while self._mirror.step():
                    pass
        except Exception as error:
            self._world.unexpected.append(f"{self.name}: {error!r}")
            raise


@contextmanager
def _world(folder: Path) -> Iterator[tuple[Api, World]]:
    """A server on a PostgreSQL of its own, with accounts; the last one is an administrator."""
    with Cluster(folder).running() as database_url:
        api = Api(folder, database_url)
        names = ("ann", "bob", "cem", "ada")
        world = World(api.url, [Account(f"{name}@example.com") for name in names])
        try:
            api.start()
            with httpx2.Client(base_url=api.url, timeout=PATIENCE) as http:
                world.register(http)
            places = {"TRELLIS_ENVIRONMENT": "development", "TRELLIS_DATA_DIR": str(folder / "server")}
            done = trellis("users", "promote", "ada@example.com", DATABASE_URL=database_url, **places)
            assert done.returncode == 0, done.stderr
            yield api, world
        finally:
            api.kill()


def mirrored(folder: Path, recipe: Recipe, seconds: float, seed: int) -> tuple[list[str], str]:
    """Write, follow and kill for so long: the differences in the end, and what happened. Raises AssertionError when an
    answer was not one to be expected.
    """
    chance = random.Random(seed)
    with _world(folder) as (api, world), httpx2.Client(base_url=api.url, timeout=PATIENCE) as http:
        ann, bob, _, ada = world.accounts
        mirrors = [
            Mirror(account, resources, recipe, http, random.Random(f"{seed}/{account.email}"))
            for account, resources in (
                (ann, ["projects", "tags"]),
                (bob, ["tags", "projects"]),
                (ada, ["projects", "tags", "users"]),
            )
        ]
        writing, following = Event(), Event()
        writers = [Writer(number, seed, world, writing) for number in range(WRITERS)]
        followers = [Follower(mirror, world, following) for mirror in mirrors]
        for thread in (*writers, *followers):
            thread.start()
        kills = 0
        until = time.monotonic() + seconds
        while time.monotonic() < until and not world.unexpected:
            time.sleep(chance.uniform(0.6, 5))
            api.kill()
            api.start()
            kills += 1
        for event, threads in ((writing, writers), (following, followers)):
            event.set()
            for thread in threads:
                thread.join(PATIENCE)
                assert not thread.is_alive(), f"{thread.name} does not come to an end."
        assert not world.unexpected, world.unexpected[0]
        differences = [difference for mirror in mirrors for difference in mirror.differences()]
        writes = sum(n for what, n in world.answers.items() if what[-3] == "2")
        told = f"{writes} writes, {kills} kills of the server"
        for mirror in mirrors:
            told += (
                f"; {mirror.account.email}: {mirror.polls} polls, {mirror.deaths} deaths, {mirror.count()} documents"
            )
        return differences, told


@click.command()
@click.option("--minutes", default=5.0, show_default=True, help="How long to write.")
@click.option("--seed", type=int, help="Of what is written, and of the moments of death.")
def main(minutes: float, seed: int | None) -> None:
    """Follow the guide's recipe while others write and the server is killed, and compare in the end."""
    seed = random.randrange(1 << 32) if seed is None else seed
    click.echo(f"Seed {seed}.")
    with tempfile.TemporaryDirectory(prefix="trellis-mirror-") as folder:
        try:
            differences, told = mirrored(Path(folder), Recipe.of(GUIDE.read_text()), minutes * 60, seed)
        except AssertionError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{told}. Differences: {len(differences)}.")
    if differences:
        raise click.ClickException("\n".join(differences[:20]))


if __name__ == "__main__":
    main()
