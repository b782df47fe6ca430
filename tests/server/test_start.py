"""What `serve` says of the database at its start, and of the variables it was given."""

import json
import os
import re
import time

import psycopg
import pytest

from app import checks
from app.checks import UnfitDatabase, concerns
from shared.settings import Settings
from tests.database import TEMPLATE, clone, empty_database, url_with
from tests.servers import serving

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


def told(url: str, pool_size: int = 10) -> list[str]:
    return list(concerns(Settings(DATABASE_URL=url, environment="development", pool_size=pool_size)))


class TestNothing:
    def test_is_said_of_a_database_that_is_as_it_should_be(self, settings):
        assert told(settings.database_url) == []


class TestADatabaseOutOfReach:
    @pytest.mark.parametrize(
        "url", ["postgresql://u:hunter2@127.0.0.1:1/x", "postgresql://u:hunter2@no.such.invalid/x?sslmode=nonsense"]
    )
    def test_is_told_with_the_reason(self, url):
        (sentence,) = told(url)
        assert sentence.startswith("The database cannot be reached: ")
        assert sentence.endswith(" Until it can, requests are answered 503.")
        assert "hunter2" not in sentence


class TestTooFewConnections:
    def test_of_the_server_are_told(self, settings):
        """Two lanes of so many; all of max_connections would leave none for whoever mends things."""
        with psycopg.connect(settings.database_url) as connection:
            size = connection.execute("SELECT current_setting('max_connections')::int / 2").fetchone()[0]
        (sentence,) = told(settings.database_url, pool_size=size)
        assert sentence.startswith(
            f"This server opens up to {2 * size} connections (twice TRELLIS_POOL_SIZE), and PostgreSQL has "
        )

    @pytest.mark.parametrize("limit", ["ALTER DATABASE {} CONNECTION LIMIT 19", "ALTER ROLE {} CONNECTION LIMIT 19"])
    def test_of_the_database_or_the_role_are_told(self, limit):
        role = f"trellis_limited_{os.getpid()}"
        with clone() as url, psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
            try:
                connection.execute(limit.format(connection.info.dbname if "DATABASE" in limit else role))
                (sentence,) = told(url_with(url, user=role, password="x"))
            finally:
                connection.execute(f"DROP OWNED BY {role}")
                connection.execute(f"DROP ROLE {role}")
        assert "up to 20 connections (twice TRELLIS_POOL_SIZE), and PostgreSQL has 19 for all" in sentence


class TestAClock:
    @pytest.mark.parametrize("seconds", [-90, 90])
    def test_that_is_another_is_told(self, settings, monkeypatch, seconds):
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + seconds)
        (sentence,) = told(settings.database_url)
        assert re.match(r"The database's clock and this machine's are (8|9)\d s apart", sentence)


class TestASchema:
    def test_that_is_not_migrated_is_told(self):
        with empty_database(os.environ[TEMPLATE]) as url:
            (sentence,) = told(url)
        assert sentence.startswith("The database has not the schema that this version needs (kernel_0001, ")


class TestAnOldServer:
    def test_is_refused(self, settings, monkeypatch):
        monkeypatch.setattr(checks, "OLDEST_VERSION", 99)
        with pytest.raises(UnfitDatabase, match=r"^PostgreSQL 99 or newer is needed; this is 1\d\.$"):
            told(settings.database_url)


class TestTheLog:
    def test_has_one_line_for_each_in_the_format_of_the_others(self, tmp_path):
        """The clock cannot be changed here; the rest can."""
        environment = {"TRELLIS_ENVIRONMENT": "production", "TRELLIS_SECRET": SECRET, "TRELLIS_POLL_SIZE": "hunter2"}
        with empty_database(os.environ[TEMPLATE]) as url:
            environment |= {"DATABASE_URL": url, "TRELLIS_POOL_SIZE": "500"}
            with serving(tmp_path, until="/health/live", **environment) as server:
                lines = [json.loads(line) for line in server.output().splitlines()]
        warnings = [line["message"] for line in lines if line["level"] == "WARNING"]
        assert [sentence.split()[0] for sentence in warnings] == ["TRELLIS_POLL_SIZE", "This", "The"]
        assert "hunter2" not in server.output()
