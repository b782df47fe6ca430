"""Settings, read from the environment. The one place that knows the variables' names."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]

ADVICE = "Set TRELLIS_SECRET to at least 32 random characters, for example the output of: openssl rand -base64 48"


class SettingsError(Exception):
    """The settings do not allow a start; the message names each variable and what is wrong with it."""


class Settings(BaseSettings):
    """Every field is the environment variable `TRELLIS_<FIELD>`, but for `DATABASE_URL`."""

    model_config = SettingsConfigDict(env_prefix="trellis_", frozen=True, hide_input_in_errors=True)

    environment: Literal["production", "development"] = "production"
    """`development` makes a missing secret and keeps it in the data folder."""
    database_url: str | None = Field(None, validation_alias="DATABASE_URL")
    """Absent: the embedded PostgreSQL in the data folder, and `development`."""
    data_dir: Path = Path(".data")
    secret: SecretStr | None = None
    """Signs tokens and cursors. Every replica has the same one."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535, validation_alias="PORT")
    shutdown_seconds: Seconds = 20
    """How long requests in flight may take to finish after SIGTERM."""
    max_body_bytes: int = Field(1 << 20, gt=0)

    pool_size: int = Field(10, gt=0)
    """Connections to PostgreSQL for each of the two lanes: units of work, and reads."""
    pool_wait_seconds: Seconds = 2
    """How long a request waits for a free connection before it is answered 503."""
    statement_seconds: Seconds = 10
    """How long PostgreSQL may work on one statement."""

    access_token_seconds: int = Field(900, gt=0)
    refresh_token_seconds: int = Field(30 * 86_400, gt=0)
    """How long a session lives after its last refresh."""
    argon2_memory_kib: int = Field(19_456, ge=8)
    argon2_iterations: int = Field(2, ge=1)
    """With the memory above the least that OWASP recommends for argon2id; about 45 ms a password."""

    @field_validator("secret")
    @classmethod
    def _is_strong(cls, secret: SecretStr | None) -> SecretStr | None:
        # RFC 7518 §3.2 asks for a key of at least the hash's size; a repeated word of that length is none.
        if secret is not None and (len(value := secret.get_secret_value()) < 32 or len(set(value)) < 10):
            raise ValueError(f"is too weak. {ADVICE}")
        return secret

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the embedded one, which is there for a first look, for development and for tests."""
        return self.database_url is None

    @classmethod
    def load(cls) -> Self:
        """From the environment. Raises SettingsError, without the values."""
        try:
            return cls()
        except ValidationError as error:
            lines = [f"{_variable(e['loc'])} {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
            raise SettingsError("\n".join(lines)) from None

    def with_secret(self) -> Self:
        """Ready to sign: in development with a secret of the data folder's own. Raises SettingsError in production."""
        if self.secret is not None:
            return self
        if self.environment == "production" and not self.is_embedded:
            raise SettingsError(f"TRELLIS_SECRET is not set. {ADVICE}")
        return self.model_copy(update={"secret": SecretStr(_kept_secret(self.data_dir / "secret"))})

    @property
    def signing_key(self) -> bytes:
        """The secret as key material."""
        if self.secret is None:
            raise SettingsError("There is no secret to sign with.")
        return self.secret.get_secret_value().encode()


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name.isupper() else f"TRELLIS_{name.upper()}"


def _kept_secret(file: Path) -> str:
    """The secret of this data folder, made when there is none yet; the same for all who start at once."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent) as new:  # Made with mode 0600.
            new.write(secrets.token_urlsafe(48))
            new.flush()
            with suppress(FileExistsError):
                os.link(new.name, file)
    return file.read_text()
