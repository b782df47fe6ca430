"""Writers for the mirror test: every operation that changes a list, on few enough rows that they meet each other."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from typing import Any

import httpx2

from tests.patience import PATIENCE

AGAIN = {"idempotency_in_progress", "unavailable", "contended", "commit_in_doubt"}
"""The problems that a client meets with asking again."""
PAUSE = 0.05  # seconds
PASSWORD = "correct horse battery"
ROLES = ("viewer", "editor", "owner")


@dataclass
class Account:
    """Who calls. A deletion ends the session; the token is replaced when the account is back."""

    email: str
    id: str = ""
    token: str = ""


@dataclass
class World:
    """What the writers have made so far, and what came of it."""

    url: str
    accounts: Sequence[Account]
    projects: list[tuple[str, Account]] = field(default_factory=list)
    tags: list[tuple[str, Account]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    """By operation and status."""
    unexpected: list[str] = field(default_factory=list)

    def register(self, http: httpx2.Client) -> None:
        """Make the accounts, and sign them in."""
        for account in self.accounts:
            data = {"email": account.email, "password": PASSWORD, "full_name": account.email[:3]}
            account.id = http.post("/users", json=data).raise_for_status().json()["id"]
            self.sign_in(http, account)

    def sign_in(self, http: httpx2.Client, account: Account) -> None:
        """A new token for it, be the server down for a while."""
        body = {"email": account.email, "password": PASSWORD}
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(httpx2.TransportError):
                answer = http.post("/auth/sessions", json=body)
                if answer.status_code == 201:
                    account.token = answer.json()["access_token"]
                    return
            time.sleep(PAUSE)
        raise AssertionError(f"{account.email} cannot sign in.")


class Writer(Thread):
    """Does one thing after the other, each under a key of its own, and asks until it is told of it."""

    def __init__(self, number: int, seed: int, world: World, end: Event) -> None:
        super().__init__(daemon=True, name=f"writer {number}")
        self._number = number
        self._chance = random.Random(f"{seed}/{number}")
        self._world = world
        self._end = end
        self._keys = count()
        self._http = httpx2.Client(base_url=world.url, timeout=PATIENCE)
        self._steps: dict[Callable[[], None], int] = {
            self._create_project: 6,
            self._upsert: 3,
            self._patch: 8,
            self._attach: 12,
            self._detach: 8,
            self._share: 8,
            self._unshare: 6,
            self._hand_over: 3,
            self._trash: 5,
            self._restore: 5,
            self._create_tag: 4,
            self._rename_tag: 6,
            self._trash_tag: 3,
            self._restore_tag: 3,
            self._batch: 4,
            self._import: 2,
            self._rename_account: 1,
        }
        if number == 0:  # Two who delete each other's accounts would hardly ever see one.
            self._steps[self._account_goes_and_returns] = 2

    def run(self) -> None:
        """Until the end."""
        try:
            with self._http:
                while not self._end.is_set() and not self._world.unexpected:
                    step = self._chance.choices([*self._steps], [*self._steps.values()])[0]
                    step()
        except Exception as error:
            self._world.unexpected.append(f"{self.name}: {error!r}")
            raise

    def _ask(self, account: Account, method: str, path: str, **options: Any) -> httpx2.Response:
        """The outcome of the change, which happens once."""
        headers = {"Idempotency-Key": f"{self._number}-{next(self._keys)}"} | options.pop("headers", {})
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            headers["Authorization"] = f"Bearer {account.token}"
            with suppress(httpx2.TransportError):
                answer = self._http.request(method, path, headers=headers, **options)
                if answer.is_success or answer.json().get("code") not in AGAIN:
                    self._world.answers[f"{method} {answer.status_code}"] += 1
                    if answer.status_code >= 500:
                        self._world.unexpected.append(f"{method} {path}: {answer.status_code} {answer.text}")
                    return answer
            time.sleep(PAUSE)
        raise AssertionError(f"{method} {path} was never answered.")

    def _anybody(self) -> Account:
        return self._chance.choice(self._world.accounts)

    def _some(self, made: Sequence[tuple[str, Account]]) -> tuple[str, Account]:
        """One of the latest, mostly with its maker; something that never was when there is none."""
        id, maker = self._chance.choice(made[-40:] or [("00000000-0000-7000-8000-000000000000", self._anybody())])
        return id, maker if self._chance.random() < 0.8 else self._anybody()

    def _tag_ids(self, account: Account) -> list[str]:
        own = [id for id, maker in self._world.tags[-40:] if maker is account]
        return self._chance.sample(own, min(len(own), self._chance.randrange(4)))

    def _text(self) -> str:
        return f"{self._chance.choice(['Größe', 'Relaunch', 'Garten', '“Q”', 'x'])} {self._chance.randrange(1000)}"

    def _create_project(self) -> None:
        account = self._anybody()
        answer = self._ask(account, "POST", "/projects", json={"name": self._text(), "tag_ids": self._tag_ids(account)})
        self._note(self._world.projects, answer, account)

    def _upsert(self) -> None:
        account = self._anybody()
        path = f"/projects/by-external-id/{self._chance.randrange(10)}"
        answer = self._ask(account, "PUT", path, json={"name": self._text(), "tag_ids": self._tag_ids(account)})
        self._note(self._world.projects, answer, account)

    def _patch(self) -> None:
        id, account = self._some(self._world.projects)
        body: dict[str, Any] = {"name": self._text(), "status": self._chance.choice(["active", "paused"])}
        if self._chance.random() < 0.5:
            body["tag_ids"] = self._tag_ids(account)
        self._ask(account, "PATCH", f"/projects/{id}", json=body)

    def _attach(self) -> None:
        (id, account), (tag, maker) = self._some(self._world.projects), self._some(self._world.tags)
        self._ask(self._chance.choice([account, maker]), "PUT", f"/projects/{id}/tags/{tag}")

    def _detach(self) -> None:
        id, account = self._some(self._world.projects)
        answer = self._http_get(account, f"/projects/{id}")
        tags = answer.json()["tags"] if answer is not None and answer.is_success else []
        if tags:
            self._ask(account, "DELETE", f"/projects/{id}/tags/{self._chance.choice(tags)['id']}")

    def _http_get(self, account: Account, path: str) -> httpx2.Response | None:
        with suppress(httpx2.TransportError):
            return self._http.get(path, headers={"Authorization": f"Bearer {account.token}"})
        return None

    def _share(self) -> None:
        id, account = self._some(self._world.projects)
        self._join(account, id, self._anybody(), self._chance.choice(ROLES))

    def _join(self, account: Account, id: str, member: Account, role: str) -> None:
        """A member gets the role; who is none is invited, and accepts."""
        answer = self._ask(account, "PUT", f"/projects/{id}/members/{member.id}", json={"role": role})
        if answer.status_code == 404:
            body = {"user_id": member.id, "role": role}
            invited = self._ask(account, "POST", f"/projects/{id}/invitations", json=body)
            if invited.status_code == 201:
                self._ask(member, "POST", f"/invitations/{invited.json()['id']}/accept")

    def _unshare(self) -> None:
        id, account = self._some(self._world.projects)
        self._ask(account, "DELETE", f"/projects/{id}/members/{self._anybody().id}")

    def _hand_over(self) -> None:
        id, account = self._some(self._world.projects)
        heir = self._anybody()
        self._join(account, id, heir, "owner")
        self._ask(account, "DELETE", f"/projects/{id}/members/{account.id}")

    def _trash(self) -> None:
        id, account = self._some(self._world.projects)
        self._ask(account, "DELETE", f"/projects/{id}")

    def _restore(self) -> None:
        id, account = self._some(self._world.projects)
        self._ask(account, "POST", f"/projects/{id}/restore")

    def _create_tag(self) -> None:
        account = self._anybody()
        self._note(self._world.tags, self._ask(account, "POST", "/tags", json={"name": self._text()}), account)

    def _rename_tag(self) -> None:
        id, account = self._some(self._world.tags)
        self._ask(account, "PATCH", f"/tags/{id}", json={"name": self._text()})

    def _trash_tag(self) -> None:
        id, account = self._some(self._world.tags)
        self._ask(account, "DELETE", f"/tags/{id}")

    def _restore_tag(self) -> None:
        id, account = self._some(self._world.tags)
        self._ask(account, "POST", f"/tags/{id}/restore")

    def _batch(self) -> None:
        account, member = self._anybody(), self._anybody()
        operations: list[dict[str, Any]] = [
            {"method": "POST", "path": "/tags", "body": {"name": self._text()}},
            {"method": "POST", "path": "/projects", "body": {"name": self._text()}},
            {"method": "PUT", "path": "/projects/{/1/id}/tags/{/0/id}"},
            {
                "method": "POST",
                "path": "/projects/{/1/id}/invitations",
                "body": {"user_id": member.id, "role": "editor"},
            },
            {"method": "PATCH", "path": "/tags/{/0/id}", "body": {"name": self._text()}},
        ]
        answer = self._ask(account, "POST", "/batch", json={"operations": operations})
        if answer.is_success:
            tag, project = (result["body"]["id"] for result in answer.json()["results"][:2])
            self._world.tags.append((tag, account))
            self._world.projects.append((project, account))
            invitation = answer.json()["results"][3]["body"]["id"]
            self._ask(member, "POST", f"/invitations/{invitation}/accept")

    def _import(self) -> None:
        account = self._anybody()
        lines = [{"name": self._text(), "tag_ids": self._tag_ids(account)} for _ in range(self._chance.randrange(1, 9))]
        content = "\n".join(map(json.dumps, lines))
        headers = {"Content-Type": "application/x-ndjson"}
        self._ask(account, "POST", "/projects/import", content=content, headers=headers)

    def _rename_account(self) -> None:
        self._ask(self._anybody(), "PATCH", "/users/me", json={"full_name": self._text()})

    def _account_goes_and_returns(self) -> None:
        *others, administrator = self._world.accounts
        account = self._chance.choice(others)
        if self._ask(administrator, "DELETE", f"/users/{account.id}").is_success:
            time.sleep(self._chance.uniform(0, 0.5))
            assert self._ask(administrator, "POST", f"/users/{account.id}/restore").is_success
            self._world.sign_in(self._http, account)

    def _note(self, made: list[tuple[str, Account]], answer: httpx2.Response, account: Account) -> None:
        if answer.status_code == 201:
            made.append((answer.json()["id"], account))
