"""The settings of the kernel."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from shared.keys import Keys, derived, is_strong, kept_secret
from shared.settings.clients import YEAR, ClientSettings
from shared.settings.files import IN_FILE, Files
from shared.settings.mail import MailSettings, folder_of, site_of
from shared.settings.urls import URL_ADVICE, is_url
from shared.settings.variables import KERNEL, SettingsError, told

Environment = Literal["production", "development"]
Seconds = Annotated[float, Field(ge=0.001, le=86_400, allow_inf_nan=False)]
"""At least a millisecond, PostgreSQL's unit of timeouts: 0 would mean no timeout."""
Days = Annotated[int, Field(gt=0, le=36_500)]
MAIL = "mail"
"""The folder of mail in the data folder."""

ADVICE = "Set TRELLIS_SECRET to at least 32 random characters, for example the output of: openssl rand -base64 48"


def _environment_of(known: dict[str, Any]) -> Environment:
    return "development" if known["database_url"] is None else "production"


def _most_of(known: dict[str, Any]) -> int:
    return 4 * int(known["pool_size"])


def _lock_of(known: dict[str, Any]) -> float:
    return max(0.001, float(known["statement_seconds"]) / 2)


def _request_of(known: dict[str, Any]) -> float:
    return 2 * float(known["pool_wait_seconds"] + known["statement_seconds"])


def _is_development(known: dict[str, Any]) -> bool:
    return bool(known["environment"] == "development")


def _drain_of(known: dict[str, Any]) -> float:
    """A developer has no proxy that would have to notice, and does not want to wait."""
    return 5.0 if known["environment"] == "production" else 0.0


class DatabaseSettings(BaseSettings):
    """Where data and secrets are, and how long one waits for PostgreSQL."""

    model_config = KERNEL

    database_url: Annotated[str | None, IN_FILE] = Field(None, validation_alias="DATABASE_URL")
    """Your own PostgreSQL, as a URL for libpq. Without it, Trellis starts the embedded one in the data folder."""
    pooled_url: Annotated[str | None, IN_FILE] = None
    """The same database by way of a pooler that gives a connection for one transaction at a time, such as PgBouncer in
    transaction mode. Requests and jobs take it; what needs a session of its own, such as migrations, `DATABASE_URL`."""
    replica_urls: Annotated[str | None, IN_FILE] = None
    """Of its streaming replicas, separated by blanks: GET may be answered from them."""
    environment: Environment = Field(default_factory=_environment_of)
    """By default `production` with your own database, else `development`, which makes a missing secret and keeps it
    in the data folder."""
    data_dir: Path = Path(".data")
    """The folder of the embedded database, and of a secret that is made in development."""
    secret: Annotated[SecretStr | None, IN_FILE] = None
    """Every key is derived from it. All replicas need the same one."""
    secret_previous: Annotated[SecretStr | None, IN_FILE] = None
    """What was signed with it is still good, while new things are signed with `secret`: so that one can be replaced by
    another."""

    pool_size: int = Field(10, gt=0, le=10_000)
    """Connections to PostgreSQL for each of the two lanes, reads and writes."""
    pool_wait_seconds: Seconds = 2
    """How long a request waits for a free connection before it is answered 503."""
    statement_seconds: Seconds = 10
    """How long PostgreSQL may work on one statement."""
    lock_seconds: Seconds = Field(default_factory=_lock_of)
    """How long a statement waits for a lock that another transaction holds; by default half of `statement_seconds`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (pydantic's)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, and files that it names."""
        return init_settings, env_settings, Files(settings_cls)

    @field_validator("database_url", "pooled_url", "replica_urls")
    @classmethod
    def _is_postgresql(cls, value: str | None, known: ValidationInfo) -> str | None:
        """Libpq reads the URL, so a driver in the scheme, as SQLAlchemy has it, is removed."""
        given = (value or "").split() if known.field_name == "replica_urls" else [value.strip()] if value else []
        urls = [re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url) for url in given]
        if not all(map(is_url, urls)):
            raise ValueError(URL_ADVICE)
        if urls and known.data.get("database_url", "") is None and known.field_name != "database_url":
            raise ValueError("needs DATABASE_URL beside it")
        return " ".join(urls) or None

    @field_validator("environment")
    @classmethod
    def _has_a_database(cls, environment: Environment, others: ValidationInfo) -> Environment:
        if environment == "production" and others.data.get("database_url", "") is None:
            raise ValueError("is production, but DATABASE_URL is not set: the embedded PostgreSQL is for development")
        return environment

    @field_validator("lock_seconds")
    @classmethod
    def _is_shorter_than_a_statement(cls, seconds: float, others: ValidationInfo) -> float:
        statement = others.data.get("statement_seconds", YEAR)
        if seconds > statement:
            raise ValueError(f"is {seconds:g}, and more than TRELLIS_STATEMENT_SECONDS, which is {statement:g}")
        return seconds

    @field_validator("secret", "secret_previous")
    @classmethod
    def _secret_is_strong(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not is_strong(secret.get_secret_value()):
            raise ValueError(f"is too weak. {ADVICE}")
        return secret

    def with_secret(self) -> Self:
        """With a secret: in development, the data folder's own if none is set. Raises SettingsError in production."""
        if self.secret is not None:
            return self
        if self.environment == "production":
            raise SettingsError(f"TRELLIS_SECRET is not set. {ADVICE}")
        return self.model_copy(update={"secret": SecretStr(_kept(self.data_dir / "secret"))})

    def keys(self, purpose: str) -> Keys:
        """The keys for one purpose: 32 bytes each, derived from the secret and from the previous one. Raises
        SettingsError when there is none.
        """
        if self.secret is None:
            raise SettingsError("There is no secret to sign with.")
        secrets = [one.get_secret_value().encode() for one in (self.secret, self.secret_previous) if one is not None]
        return tuple(derived(secret, f"trellis {purpose}".encode()) for secret in secrets)

    def key(self, purpose: str) -> bytes:
        """The key for what is new. Raises SettingsError when there is none."""
        return self.keys(purpose)[0]


class ServerSettings(DatabaseSettings):
    """What the server lets in, for how long, and what it tells of it."""

    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` is all of IPv4."""
    port: int = Field(8000, ge=0, le=65535, validation_alias="PORT")
    """The port to listen on; 0 is any free one."""
    drain_seconds: float = Field(default_factory=_drain_of, ge=0, le=3600, allow_inf_nan=False)
    """How long after SIGTERM new connections are still taken, while `/health/ready` is 503 already: longer than the
    proxy takes to notice. By default 5 in production; 0 in development, where there is no proxy."""
    shutdown_seconds: Seconds = 20
    """How long requests in flight may take to finish after that."""
    keep_alive_seconds: int = Field(75, gt=0, le=86_400)
    """How long a connection is kept without a request; longer than the proxy before it keeps one."""
    max_connections: int = Field(1000, gt=0, le=1_000_000)
    """Of clients. At the limit, a new connection replaces the one that has been idle longest."""
    max_head_bytes: int = Field(64 << 10, ge=1 << 10, le=1 << 24)
    """Of a request's first line and header fields together."""
    head_seconds: Seconds = 10
    """How long the head of a request may take to arrive."""
    body_seconds: Seconds = 30
    """How long a client may fall behind in sending a body or in reading an answer."""
    min_bytes_per_second: int = Field(1 << 10, gt=0, le=1 << 30)
    """A client that sends or reads less than this falls behind."""
    max_body_bytes: int = Field(1 << 20, gt=0, le=1 << 30)
    """Of a request's body, but for imports."""
    max_import_bytes: int = Field(256 << 20, gt=0, le=1 << 40)
    """Of a file to import. It is kept on disk, in the folder TMPDIR, until all of it has arrived."""
    access_log: bool = True
    """A line for each request."""
    slow_statement_seconds: Seconds = 1
    """A round trip to PostgreSQL that takes so long gets a line with the digests of its statements."""
    metrics_port: int | None = Field(None, ge=0, le=65535)
    """Serves Prometheus's metrics. Of several processes on a machine, each takes the next port that is free."""
    metrics_host: str = "127.0.0.1"
    """Where it listens. Whoever reaches it needs no password."""
    request_seconds: float = Field(default_factory=_request_of, gt=0, le=4 * 86_400, allow_inf_nan=False)
    """How long a request may be at work, from its last byte to the first one of its answer, before it is rolled back
    and answered 503; longer than `pool_wait_seconds` and `statement_seconds` together, by default twice that. A proxy's
    own limit has to be longer still."""
    max_requests: int = Field(default_factory=_most_of, gt=0, le=1_000_000)
    """How many requests are at work at once; by default four for each connection of a lane. It is also the time of an
    answer under overload: so many, divided by what the server does in a second."""
    queue_seconds: Seconds = 0.1
    """How long a request waits to get to work before it is answered 503, and for a third of that while more come than
    can be served."""

    @field_validator("request_seconds")
    @classmethod
    def _is_longer_than_what_is_within(cls, seconds: float, others: ValidationInfo) -> float:
        within = others.data.get("pool_wait_seconds", 0) + others.data.get("statement_seconds", 0)
        if seconds <= within:
            raise ValueError(
                f"is {seconds:g}, but has to be more than TRELLIS_POOL_WAIT_SECONDS and TRELLIS_STATEMENT_SECONDS "
                f"together, which are {within:g}"
            )
        return seconds


class Settings(MailSettings, ClientSettings, ServerSettings):
    """Every field is the environment variable `TRELLIS_<FIELD>`, if it has no other name. `trellis config` shows a
    field's docstring.
    """

    worker: bool | None = None
    """Whether `trellis serve` does jobs as well. By default, it does so over the embedded database only; else there is
    `trellis worker`."""
    worker_jobs: int = Field(4, gt=0, le=1000)
    """How many jobs a worker does at once; no more than `pool_size`, as each takes a connection of the writing lane."""
    worker_silent_seconds: Seconds = 30
    """How long a worker may give no sign until its jobs are given to another."""
    job_seconds: Seconds = 300
    """How long a job may take until it counts as failed."""
    job_attempts: int = Field(12, gt=0, le=100)
    """How often a job is tried until it is left for an operator: within almost 8 hours, by default."""
    job_retry_seconds: Seconds = 2
    """How long a job waits after it has failed for the first time. Each further wait is three times as long, up to two
    hours."""
    job_days: Days = 7
    """How long a job that is done is kept. One that failed for good is kept as long as the journal."""

    require_if_match: bool = False
    """Whether a change without `If-Match` is answered 428."""
    password_grant: bool = Field(default_factory=_is_development)
    """Whether `/auth/token` takes `grant_type=password`, for clients that know no other way. RFC 9700 §2.4 forbids it;
    by default it is taken in development only."""
    access_token_seconds: int = Field(900, gt=0, le=YEAR)
    """How long an access token is good."""
    refresh_token_seconds: int = Field(30 * 86_400, gt=0, le=10 * YEAR)
    """How long a session lives after its last refresh."""
    session_seconds: int = Field(90 * 86_400, gt=0, le=10 * YEAR)
    """How long a session can live, however often it is refreshed (ASVS 7.3.2)."""
    retention_days: Days = 30
    """How long a deleted row can be restored."""
    journal_days: Days = 90
    """How long the journal is kept, and so how old a cursor of the change feed can be."""
    argon2_memory_kib: int = Field(19_456, ge=8, le=4 << 20)
    """Memory that hashing a password takes. With the iterations, OWASP's minimum for argon2id: about 45 ms."""
    argon2_iterations: int = Field(2, ge=1, le=1_000)
    """How often hashing a password goes over its memory."""

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError, whose message has no values."""
        try:
            return cls()
        except ValidationError as error:
            raise told(error) from None

    def over_embedded(self, url: str) -> Self:
        """With the embedded database, whose URL this is, and what is by default in development."""
        return self.model_copy(
            update={
                "database_url": url,
                "environment": "development",
                "mail_url": self.mail_url or (self.data_dir.resolve() / MAIL).as_uri(),
                "mail_from": self.mail_from or "Trellis <trellis@example.com>",
                "public_url": self.public_url or site_of(f"http://127.0.0.1:{self.port}"),
            }
        )

    @property
    def mail_folder(self) -> Path | None:
        """Where mail is kept, which is in the data folder over the embedded database; None where none is kept."""
        if self.mail_url is None and self.database_url is None:
            return self.data_dir.resolve() / MAIL
        return folder_of(self.mail_url) if self.mail_url is not None else None

    @property
    def retention(self) -> timedelta:
        """How long a deleted row can be restored."""
        return timedelta(days=self.retention_days)

    @property
    def journal_retention(self) -> timedelta:
        """How long the journal is kept."""
        return timedelta(days=self.journal_days)


def _kept(file: Path) -> str:
    """The secret of this data folder. Raises SettingsError."""
    try:
        kept = kept_secret(file)
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"The secret cannot be kept in {file}: {error}. Or: {ADVICE}") from error
    if not is_strong(kept):
        raise SettingsError(f"The secret in {file} is too weak. Delete the file, and the next start makes another.")
    return kept
