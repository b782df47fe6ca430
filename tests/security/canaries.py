"""Canaries: a secret in every field that takes or gives one, over a real server, and where each may be seen again."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg
from psycopg import sql

from modules.users.tests.authenticators import code_of
from tests.mails import MailServer, text_of, token_in
from tests.patience import PATIENCE, eventually
from tests.servers import Server

ANN, NEW_ADDRESS = "ann@example.com", "ann.lee@example.com"
GUESS = "canary-3 a guess"
TOKENS = {"POST /auth/sessions", "POST /auth/token"}
MEANT = {
    "access token": TOKENS,
    "refresh token": TOKENS,
    "API key": {"POST /auth/keys"},
    "TOTP secret": {"POST /auth/factors/totp"},
    "recovery code": {"POST /auth/factors/{}/confirm", "POST /auth/factors/recovery-codes"},
}
"""The answers that are meant to have a secret. No answer has any other kind."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Secret:
    """A secret. `kind` is the field that takes or gives it."""

    kind: str
    value: str

    def is_in(self, text: str) -> bool:
        """Whether a text has it: as it is, quoted as in a URL, or in hexadecimal or base64."""
        if self.value.isdecimal():  # Six digits: in a longer number they are nothing.
            return re.search(rf"(?<![\w.-]){self.value}(?![\w-])", text) is not None
        return any(one in text for one in self._forms())

    def _forms(self) -> Iterator[str]:
        content = self.value.encode()
        yield from (self.value, quote(self.value, safe=""), content.hex())
        for shift, first in enumerate((0, 2, 3)):  # Where it begins within three bytes that are four characters.
            yield b64encode(bytes(shift) + content).decode().rstrip("=")[first:-2]


@dataclass
class Play:
    """Somebody who uses every secret, rightly and wrongly, and what is answered."""

    server: Server
    mail: MailServer
    secrets: list[Secret] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    """Operations, their ids as {}, and all of the answer: its head, too."""

    def secret(self, kind: str, value: str) -> str:
        """Remember it."""
        self.secrets.append(Secret(kind, value))
        return value

    def ask(self, operation: str, *, token: str = "", **options: Any) -> httpx2.Response:
        method, path = operation.split()
        headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"{self.server.url}/api/v1{path}"
        answer = httpx2.request(method, url, headers=headers, timeout=PATIENCE, **options)
        assert answer.status_code < 500, answer.text
        self.answers.append((_ID.sub("{}", operation.partition("?")[0]), f"{answer.headers} {answer.text}"))
        return answer

    def mailed(self, address: str, page: str) -> str:
        """The token in the newest mail to an address whose link opens this page."""

        def found() -> list[Any]:
            return [mail for mail in self.mail.to(address) if f"/{page}#token=" in text_of(mail)]

        return self.secret("token of a mail", token_in(eventually(found)[-1]))

    def tokens(self, answer: httpx2.Response) -> tuple[str, str]:
        """The access token and the refresh token of an answer."""
        given = answer.json()
        self.secret("access token", given["access_token"].rpartition(".")[2])  # The rest is no secret.
        return given["access_token"], self.secret("refresh token", given["refresh_token"])

    def run(self) -> str:
        """All of it. The access token of Ann in the end."""
        password = self._registers()
        access = self._signs_in(password)
        self._misspells(access)
        self._makes_a_key(access)
        recovery_code = self._adds_an_app(access, password)
        return self._recovers(recovery_code)

    def _registers(self) -> str:
        password = self.secret("password", "canary-1 Ann's first password")
        account = {"email": ANN, "password": password, "full_name": "Ann"}
        again = {"Idempotency-Key": self.secret("idempotency key", "canary-2-of-a-registration")}
        for _ in range(2):
            assert self.ask("POST /users", json=account, headers=again).status_code == 202
        self.ask("POST /users", json={**account, "full_name": "Eve"}, headers=again)
        link = {"token": self.mailed(ANN, "verify-email")}
        wrong = {"password": GUESS}
        for status, proof in ((422, {}), (403, wrong), (204, {"password": password}), (400, {"password": password})):
            assert self.ask("POST /auth/verify-email/confirm", json=link | proof).status_code == status
        self.ask("POST /users", json=account)  # Tells Ann, and nobody else.
        return password

    def _signs_in(self, password: str) -> str:
        body = {"email": ANN, "password": password}
        wrong = body | {"password": self.secret("wrong password", GUESS)}
        assert self.ask("POST /auth/sessions", json=wrong).status_code == 401
        assert self.ask("POST /auth/sessions", json={**body, "email": "nobody@example.com"}).status_code == 401
        form = {"grant_type": "password", "username": ANN}
        self.tokens(self.ask("POST /auth/token", data=form | {"password": password}))
        assert self.ask("POST /auth/token", data=form | {"password": wrong["password"]}).status_code == 400
        _, refresh = self.tokens(self.ask("POST /auth/sessions", json=body))
        access, following = self.tokens(self.ask("POST /auth/token", data=_refreshed(refresh)))
        again = self.ask("POST /auth/token", data=_refreshed(refresh))
        if again.status_code == 200:  # After ten seconds, it would end the session.
            self.tokens(again)
        assert self.ask("POST /auth/token", data=_refreshed(access)).status_code == 400
        assert self.ask("POST /auth/revoke", data={"token": following}).status_code == 200
        assert self.ask("POST /auth/token", data=_refreshed(following)).status_code == 400
        assert self.ask("GET /users/me", token=access).status_code == 401
        access, _ = self.tokens(self.ask("POST /auth/sessions", json=body))
        return access

    def _misspells(self, access: str) -> None:
        """Secrets in requests that are wrong in every way: no answer tells what was sent."""
        value = self.secret("password", "canary-4 in what is no request")
        for field_name in ("password", "new_password", "current_password", "token", "code", "refresh_token"):
            for wrong in ({"is": value}, [value], value * 100, f"{value}\0"):
                for operation in ("POST /users", "POST /auth/sessions", "POST /auth/password-reset/confirm"):
                    self.ask(operation, json={field_name: wrong})
                for operation in ("PUT /users/me/password", "PUT /users/me/email", "POST /auth/services"):
                    self.ask(operation, json={field_name: wrong}, token=access)
        for content in (f'{{"password": "{value}', f'"{value}"', f'{{"password": "{value}", "password": "x"}}', value):
            self.ask("POST /auth/sessions", content=content, headers={"Content-Type": "application/json"})
        for parameter in ("password", "access_token", "token", "code"):
            self.ask(f"POST /auth/sessions?{parameter}={quote(value)}", json={})
            self.ask(f"GET /users/me?{parameter}={quote(value)}", token=access)
        for header in ("Authorization", "Cookie", "X-API-Key", "Idempotency-Key", "If-Match", "Prefer"):
            self.ask("PATCH /users/me", json={}, headers={header: value})
        self.ask("GET /users/me", token=value.replace(" ", "_"))

    def _makes_a_key(self, access: str) -> None:
        body = {"name": "Nightly export", "scopes": ["users:read"]}
        key = self.secret("API key", self.ask("POST /auth/keys", json=body, token=access).json()["secret"])
        assert self.ask("GET /users/me", token=key).status_code == 200
        assert self.ask("PATCH /users/me", json={"full_name": "Eve"}, token=key).status_code == 403
        assert self.ask("GET /users/me", token=key[:-1]).status_code == 401
        once = {"Idempotency-Key": self.secret("idempotency key", "canary-5-of-a-change")}
        for name in ("Ann Lee", "Ann Lee", "Eve"):
            self.ask("PATCH /users/me", json={"full_name": name}, token=access, headers=once)

    def _adds_an_app(self, access: str, password: str) -> str:
        """A recovery code."""
        new = self.ask("POST /auth/factors/totp", json={"name": "Phone"}, token=access).json()
        secret, path = self.secret("TOTP secret", new["secret"]), f"/auth/factors/{new['factor']['id']}/confirm"
        self.ask(f"POST {path}", json={"code": self.secret("code", "canary-6-code")}, token=access)
        body = {"code": self.secret("code", code_of(secret))}
        codes = self.ask(f"POST {path}", json=body, token=access).json()["recovery_codes"]
        for one in codes:
            self.secret("recovery code", one)
        signing_in = {"email": ANN, "password": password}
        assert self.ask("POST /auth/sessions", json=signing_in).status_code == 401
        self.ask("POST /auth/sessions", json=signing_in | {"code": body["code"]})  # A replay.
        self.tokens(self.ask("POST /auth/sessions", json=signing_in | {"code": codes[0]}))
        assert self.ask("POST /auth/sessions", json=signing_in | {"code": codes[0]}).status_code == 401
        return str(codes[1])

    def _recovers(self, recovery_code: str) -> str:
        """The access token of a new session, after a reset, a change of password, and one of address."""
        second, third = [self.secret("new password", f"canary-{n} another good password") for n in (7, 8)]
        assert self.ask("POST /auth/password-reset", json={"email": ANN}).status_code == 202
        token = self.mailed(ANN, "password-reset")
        confirm = "POST /auth/password-reset/confirm"
        assert self.ask(confirm, json={"token": token, "new_password": ANN}).status_code == 422
        assert self.ask(confirm, json={"token": token, "new_password": second}).status_code == 204
        assert self.ask(confirm, json={"token": token, "new_password": third}).status_code == 400
        body = {"email": ANN, "password": second, "code": recovery_code}
        access, _ = self.tokens(self.ask("POST /auth/sessions", json=body))
        change = "PUT /users/me/password"
        for current, new, status in ((third, second, 403), (second, "password", 422), (second, third, 204)):
            change_of_password = {"current_password": current, "new_password": new}
            assert self.ask(change, json=change_of_password, token=access).status_code == status
        moved = {"email": NEW_ADDRESS, "current_password": third}
        assert self.ask("PUT /users/me/email", json=moved, token=access).status_code == 202
        token = self.mailed(NEW_ADDRESS, "verify-email")
        assert self.ask("POST /auth/verify-email/confirm", json={"token": token}).status_code == 204
        return access


def rows_of(url: str) -> dict[str, list[str]]:
    """Every row of every table, by the table's name. The idempotency key is left out of its own column."""
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^pg_|^information_schema$'"
    with psycopg.connect(url) as connection:
        return {
            table: [
                row
                for (row,) in connection.execute(
                    sql.SQL("SELECT (to_jsonb(t) - {})::text FROM {} AS t").format(
                        "key" if table == "idempotency_keys" else "", sql.Identifier(schema, table)
                    )
                )
            ]
            for schema, table in connection.execute(tables).fetchall()
        }


def _refreshed(token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token}
