"""A configuration that is wrong stops the start: with one sentence that names the variable, and never has its value."""

from pathlib import Path
from typing import Any

import pytest

from modules.projects.settings import ProjectSettings
from modules.users.settings import UsersSettings
from shared.settings import Settings, SettingsError, settings_of

pytestmark = pytest.mark.needs("projects")

LEAST = 25
DATABASE = "postgresql://trellis:hunter2@db.example.org/trellis"
MAIL = {
    "TRELLIS_MAIL_URL": "smtp://trellis:hunter2@mail.example.org:587",
    "TRELLIS_MAIL_FROM": "no-reply@example.org",
    "TRELLIS_PUBLIC_URL": "https://www.example.org",
}
WRONG: dict[str, dict[str, str]] = {
    "a secret that is short": {"TRELLIS_SECRET": "hunter2"},
    "a secret of one character": {"TRELLIS_SECRET": "hunter2" * 3 + "2" * 100},
    "a secret that repeats itself": {"TRELLIS_SECRET": "hunter2" * 20},
    "a previous secret that is short": {"TRELLIS_SECRET_PREVIOUS": "hunter2"},
    "no secret in production": {"DATABASE_URL": DATABASE},
    "a secret in a file that is not there": {"TRELLIS_SECRET_FILE": "/hunter2/is/not/there"},
    "a secret in a file that is a folder": {"TRELLIS_SECRET_FILE": "{folder}"},
    "a secret in a file that is empty": {"TRELLIS_SECRET_FILE": "{folder}/empty"},
    "a secret in a file that is no text": {"TRELLIS_SECRET_FILE": "{folder}/binary"},
    "a secret in a file that is short": {"TRELLIS_SECRET_FILE": "{folder}/short"},
    "a secret in a file and beside it": {"TRELLIS_SECRET": "{strong}", "TRELLIS_SECRET_FILE": "{folder}/short"},
    "a database in a file and beside it": {"DATABASE_URL": DATABASE, "DATABASE_URL_FILE": "{folder}/short"},
    "production over the embedded database": {"TRELLIS_ENVIRONMENT": "production"},
    "an environment that there is not": {"TRELLIS_ENVIRONMENT": "hunter2"},
    "a database of another kind": {"DATABASE_URL": "mysql://trellis:hunter2@db.example.org/trellis"},
    "a database that is no URL": {"DATABASE_URL": "host=db.example.org password=hunter2"},
    "a password with an unquoted character": {"DATABASE_URL": "postgresql://trellis:hunter2@2@db.example.org/trellis"},
    "a database with a port that there is not": {"DATABASE_URL": "postgresql://trellis:hunter2@db.example.org:65536/x"},
    "a pooler without a database": {"TRELLIS_POOLED_URL": DATABASE},
    "a replica without a database": {"TRELLIS_REPLICA_URLS": DATABASE},
    "replicas, of which one is none": {"DATABASE_URL": DATABASE, "TRELLIS_REPLICA_URLS": f"{DATABASE} hunter2"},
    "a mail server of another kind": MAIL | {"TRELLIS_MAIL_URL": "http://trellis:hunter2@mail.example.org"},
    "a mail server with a user alone": MAIL | {"TRELLIS_MAIL_URL": "smtp://hunter2@mail.example.org"},
    "a mail server and no sender": MAIL | {"TRELLIS_MAIL_FROM": ""},
    "a mail server and no site": MAIL | {"TRELLIS_PUBLIC_URL": ""},
    "a sender with another header": MAIL | {"TRELLIS_MAIL_FROM": "a@example.org\nBcc: hunter2@example.org"},
    "a site that is no URL": {"TRELLIS_PUBLIC_URL": "hunter2.example.org"},
    "a site with a query": {"TRELLIS_PUBLIC_URL": "https://www.example.org?token=hunter2"},
    "every proxy": {"FORWARDED_ALLOW_IPS": "*"},
    "a proxy that is no network": {"FORWARDED_ALLOW_IPS": "10.0.0.0/8, hunter2"},
    "every origin": {"TRELLIS_CORS_ORIGINS": "*"},
    "an origin that no browser sends": {"TRELLIS_CORS_ORIGINS": "https://app.example.com/hunter2"},
    "an origin that is null": {"TRELLIS_CORS_ORIGINS": "null"},
    "a limit of addresses that is none": {"TRELLIS_ADDRESS_LIMIT": "hunter2"},
    "a limit of credentials that is none": {"TRELLIS_CREDENTIAL_LIMIT": "0/10"},
    "HSTS for longer than there is": {"TRELLIS_HSTS_SECONDS": "98765432109876"},
    "a port that there is not": {"PORT": "98765"},
    "the password grant, maybe": {"TRELLIS_PASSWORD_GRANT": "hunter2"},
    "access tokens for no time": {"TRELLIS_ACCESS_TOKEN_SECONDS": "-98765"},
    "sessions for no time": {"TRELLIS_SESSION_SECONDS": "-98765"},
    "hashes without memory": {"TRELLIS_ARGON2_MEMORY_KIB": "7"},
    "hashes that take forever": {"TRELLIS_ARGON2_ITERATIONS": "98765"},
    "locks that outlast statements": {"TRELLIS_LOCK_SECONDS": "77.5", "TRELLIS_STATEMENT_SECONDS": "5"},
    "links of mails that last for a year": {"TRELLIS_USERS_RESET_SECONDS": "31536000"},
    "no registrations at all": {"TRELLIS_USERS_REGISTRATIONS_PER_HOUR": "-98765"},
    "invitations that never end": {"TRELLIS_PROJECTS_INVITATION_DAYS": "98765"},
}
"""The variables, by what is wrong. Values have one of the marks, but for those that everybody may see."""
MARKS = ("hunter2", "98765", "31536000")


@pytest.fixture
def given(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The variables of a configuration, which are set."""
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff" * 64)
    (tmp_path / "short").write_text("hunter2")
    for name in ("DATABASE_URL", "PORT", "TRELLIS_ENVIRONMENT", "TRELLIS_SECRET", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRELLIS_DATA_DIR", str(tmp_path / "data"))
    strong = "hunter2 and other words, all of them secret"
    variables = {name: value.format(folder=tmp_path, strong=strong) for name, value in WRONG[request.param].items()}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def started() -> None:
    """What reads the environment, as a start does it."""
    Settings.load().with_secret()
    settings_of(UsersSettings, "users")
    settings_of(ProjectSettings, "projects")


def test_there_are_enough() -> None:
    assert len(WRONG) >= LEAST


@pytest.mark.parametrize("given", WRONG, indirect=True)
def test_is_refused_in_one_sentence_without_the_value(given: dict[str, str], record_property: Any) -> None:
    with pytest.raises(SettingsError) as refused:
        started()
    (told,) = str(refused.value).splitlines()
    assert any(name in told for name in {*given, "TRELLIS_SECRET"})
    assert not [mark for mark in MARKS if mark in told]
    record_property("figure", "1 wrong configurations, each refused in one sentence without the value")


@pytest.mark.parametrize("given", ["a secret that is short"], indirect=True)
def test_is_one_that_is_right_but_for_the_value(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in given:
        monkeypatch.setenv(name, "a secret for tests, 32 bytes or more")
    started()
