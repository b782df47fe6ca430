"""Secrets are seen where they are meant to be, and nowhere else: a server with a worker, and what both leave behind."""

import secrets
import ssl
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg import sql

from tests.database import clone, url_with
from tests.kernel.test_mail import CERTIFICATE
from tests.mails import SITE, MailServer
from tests.observing.scraped import port_in
from tests.patience import PATIENCE, eventually
from tests.security.canaries import ANN, MEANT, NEW_ADDRESS, Play, Secret, rows_of
from tests.servers import free_port, serving, trellis

OPERATORS = {
    "TRELLIS_SECRET": "canary-9 of the server, 32 bytes or more",
    "TRELLIS_SECRET_PREVIOUS": "canary-10 of the server, 32 bytes or more",
    "DATABASE_URL": "canary-11",
    "TRELLIS_MAIL_URL": "canary-12",
}
"""What operators keep secret; of URLs, the password."""
Seen = tuple[Play, dict[str, str]]
_OTHERS_ENDED = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND usename = current_user
"""


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    """Takes mail of who gives a password, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server = MailServer(tls_context=context, auth_required=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database, whose owner's password is the canary."""
    role, password = sql.Identifier(name := f"canary_{secrets.token_hex(4)}"), sql.Literal(OPERATORS["DATABASE_URL"])
    with clone() as url, psycopg.connect(url, autocommit=True) as connection:
        owner = sql.Identifier(connection.info.user)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(role, password, owner))
        try:
            yield url_with(url, user=name, password=OPERATORS["DATABASE_URL"])
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture(scope="module")
def environment(url: str, mail: MailServer) -> dict[str, str]:
    return OPERATORS | {
        "DATABASE_URL": url,
        "TRELLIS_MAIL_URL": f"smtp://trellis:{OPERATORS['TRELLIS_MAIL_URL']}@localhost:{mail.port}",
        "TRELLIS_MAIL_FROM": "no-reply@example.org",
        "TRELLIS_PUBLIC_URL": SITE,
        "SSL_CERT_FILE": str(CERTIFICATE),
        "TRELLIS_METRICS_PORT": str(free_port()),
        "TRELLIS_SLOW_STATEMENT_SECONDS": "0.001",
        "TRELLIS_ARGON2_MEMORY_KIB": "8",
        "TRELLIS_ARGON2_ITERATIONS": "1",
    }


@pytest.fixture(scope="module")
def seen(
    tmp_path_factory: pytest.TempPathFactory, url: str, mail: MailServer, environment: dict[str, str]
) -> Iterator[Seen]:
    """The play, and what is seen after it, by where."""
    with serving(tmp_path_factory.mktemp("canaries"), worker="true", **environment) as server:
        play = Play(server, mail)
        for variable, secret in OPERATORS.items():
            play.secret(variable, secret)
        access = play.run()
        with psycopg.connect(url_with(url), autocommit=True) as connection:
            connection.execute("UPDATE users SET role = 'admin'")
            connection.execute(_OTHERS_ENDED)
        eventually(lambda: server.get("/health/ready").status_code == 200)
        me = play.ask("GET /users/me", token=access).json()["id"]
        eventually(lambda: len(mail.to(NEW_ADDRESS) + mail.to(ANN)) >= 8)
        for operation in (
            *("GET /auth/sessions", "GET /auth/keys", "GET /auth/factors", "GET /users", "GET /changes?limit=100"),
            *(
                "GET /journal?limit=100",
                f"GET /users/{me}/history",
                f"GET /users/{me}/sessions",
                f"GET /users/{me}/keys",
            ),
        ):
            assert play.ask(operation, token=access).status_code == 200
        metrics = httpx2.get(f"http://127.0.0.1:{port_in(server.output())}/metrics", timeout=PATIENCE).text
        yield play, {"the log": server.output(), "the metrics": metrics}


def test_are_found_in_whatever_form() -> None:
    secret = Secret("password", "a canary, é")
    for text in ("a canary, é", "a%20canary%2C%20%C3%A9", "a canary, é".encode().hex()):
        assert secret.is_in(f"x{text}x")
    for before in ("", "x", "xx", "xxx"):
        assert secret.is_in(b64encode(f"{before}a canary, é, and so on".encode()).decode())
    assert not secret.is_in("canary")
    assert Secret("code", "123456").is_in('{"code": "123456"}')
    assert not Secret("code", "123456").is_in("1234567 0.123456")


def test_are_in_no_answer_that_is_not_meant_to_have_them(seen: Seen, record_property: Any) -> None:
    play, _ = seen
    hits, right = [], set()
    for operation, text in play.answers:
        for secret in play.secrets:
            if secret.is_in(text):
                right.add(secret.kind)
                if operation not in MEANT.get(secret.kind, ()):
                    hits.append((secret, operation, text))
    record_property(
        "figure", f"{len(play.secrets)} secrets looked for in {len(play.answers)} answers: {len(hits)} hits"
    )
    assert hits == []
    assert right == MEANT.keys()


@pytest.mark.parametrize("where", ["the log", "the metrics"])
def test_are_not_in(seen: Seen, where: str, record_property: Any) -> None:
    play, texts = seen
    assert "/api/v1/auth/sessions" in texts[where]
    hits = [secret for secret in play.secrets if secret.is_in(texts[where])]
    record_property("figure", f"{len(play.secrets)} secrets looked for in {where}: {len(hits)} hits")
    assert hits == []


def test_are_in_no_row_of_any_table(seen: Seen, url: str, record_property: Any) -> None:
    """The journal, the feed, jobs that were done, and accounts: as themselves. Digests are kept, and what is sealed."""
    play, _ = seen
    tables = rows_of(url)
    assert all(
        tables[name] for name in ("journal", "procrastinate_jobs", "users", "api_keys", "confirmations", "factors")
    )
    hits = [(s, name, row) for name, rows in tables.items() for row in rows for s in play.secrets if s.is_in(row)]
    number = sum(map(len, tables.values()))
    record_property(
        "figure", f"{len(play.secrets)} secrets looked for in {number} rows of all tables: {len(hits)} hits"
    )
    assert hits == []


def test_are_in_no_mail_but_the_token_for_its_address(seen: Seen, mail: MailServer, record_property: Any) -> None:
    play, _ = seen
    texts = [
        (str(one["To"]), "\n".join(str(part.get_content()) for part in one.walk() if not part.is_multipart()))
        for one in mail.mails
    ]
    found = [(secret, to) for secret in play.secrets for to, text in texts if secret.is_in(text)]
    hits = [(secret, to) for secret, to in found if secret.kind != "token of a mail"]
    record_property("figure", f"{len(play.secrets)} secrets looked for in {len(texts)} mails: {len(hits)} hits")
    assert hits == []
    tokens = [secret.value for secret in play.secrets if secret.kind == "token of a mail"]
    assert {(secret.value, to) for secret, to in found} == {*zip(tokens, (ANN, ANN, NEW_ADDRESS), strict=True)}


@pytest.mark.usefixtures("seen")
def test_were_used(mail: MailServer) -> None:
    """The mail server has seen the password of its URL, and nothing else."""
    assert {*mail.credentials} == {(b"trellis", OPERATORS["TRELLIS_MAIL_URL"].encode())}


@pytest.mark.parametrize("command", ["config", "doctor"])
def test_are_in_nothing_that_a_command_says(environment: dict[str, str], command: str) -> None:
    """Nor of a database that is out of reach."""
    nowhere = url_with(environment["DATABASE_URL"], host="127.0.0.1", port="1")
    told = trellis(command, **environment | {"DATABASE_URL": nowhere})
    assert "DATABASE_URL" in told.stdout + told.stderr
    for variable, value in OPERATORS.items():
        assert not Secret(variable, value).is_in(told.stdout + told.stderr)
