"""Every command reads DATABASE_URL as libpq does: blanks, sockets, several hosts, options, services."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import func, select

from app.checks import concerns
from app.embedded import EmbeddedPostgres
from app.embedded import server as launching
from app.migrations import upgrade
from app.seeding import plant
from shared.manifest import discover
from shared.settings import Settings
from shared.upkeep.schema import standing
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.database import url_with
from tests.patience import eventually
from tests.servers import serving, trellis

NOTHING = {module.name: 0 for module in discover() if module.seed}

USER, PASSWORD, DATABASE = "ann lee", "a b@/:?#%&=+é", "my db"


class Place(NamedTuple):
    """A server that listens on a port of the loopback, and in a folder that has a blank in its name."""

    folder: Path
    port: int
    administration: str

    def url(self, template: str) -> str:
        """With what a database of your own has, percent-encoded."""
        user, password, database, folder = (quote(text, "") for text in (USER, PASSWORD, DATABASE, str(self.folder)))
        return template.format(
            u=user, p=password, db=database, folder=folder, path=self.folder, port=self.port, other=self.port - 1
        )


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    patch = pytest.MonkeyPatch()
    with tempfile.TemporaryDirectory(prefix="trellis test ") as name:
        Path(name).chmod(0o777)
        patch.setitem(launching.SETTINGS, "unix_socket_directories", f'"{name}"')
        with EmbeddedPostgres(Path(name, "data"), durable=False) as server:
            port = int(server.url.rpartition(":")[2].partition("/")[0])
            with psycopg.connect(server.url, autocommit=True) as connection:
                role, secret = sql.Identifier(USER), sql.Literal(PASSWORD)
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, secret))
            yield Place(Path(name), port, server.url)
    patch.undo()


@pytest.fixture
def database(place: Place) -> Iterator[None]:
    """A database with a blank in its name, and a schema in it."""
    names = {"name": sql.Identifier(DATABASE), "owner": sql.Identifier(USER)}
    with psycopg.connect(place.administration, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {name} OWNER {owner}").format(**names))
        with psycopg.connect(url_with(place.administration, dbname=DATABASE)) as inside:
            inside.execute(sql.SQL("CREATE SCHEMA app AUTHORIZATION {owner}").format(**names))
        yield
        connection.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**names))


def write_pass_file(folder: Path, password: str) -> None:
    """Write libpq's file of passwords."""
    file = folder / "pass file"
    file.touch(0o600)
    file.write_text(f"*:*:*:*:{password.replace(':', chr(92) + ':')}\n")


URLS = {
    "everything percent-encoded": "postgresql://{u}:{p}@127.0.0.1:{port}/{db}",
    "the short scheme, and blanks around": " postgres://{u}:{p}@127.0.0.1:{port}/{db}\n",
    "SQLAlchemy's scheme": "postgresql+psycopg://{u}:{p}@127.0.0.1:{port}/{db}",
    "a socket in the query": "postgresql://{u}:{p}@/{db}?host={folder}&port={port}",
    "a socket as the host": "postgresql://{u}:{p}@{folder}:{port}/{db}",
    "all in the query": "postgresql://?user={u}&password={p}&host=127.0.0.1&port={port}&dbname={db}",
    "two hosts": "postgresql://{u}:{p}@127.0.0.1:{other},127.0.0.1:{port}/{db}?target_session_attrs=read-write",
    "two hosts in the query": "postgresql://{u}:{p}@/{db}?host=127.0.0.1,127.0.0.1&port={other},{port}",
    "settings of its own": "postgresql://{u}:{p}@127.0.0.1:{port}/{db}?options=-c%20search_path%3Dapp",
    "a file of passwords": "postgresql://{u}@127.0.0.1:{port}/{db}?passfile={folder}/pass%20file",
    "a service": "postgresql://{u}:{p}@/?service=ours",
    "a timeout, and no TLS": "postgresql://{u}:{p}@127.0.0.1:{port}/{db}?connect_timeout=60&sslmode=disable",
}


@pytest.fixture(params=list(URLS.values()), ids=list(URLS))
def url(request: pytest.FixtureRequest, place: Place, database: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """As an operator has it in the environment."""
    write_pass_file(place.folder, PASSWORD)
    (place.folder / "services").write_text(f"[ours]\nhost=127.0.0.1\nport={place.port}\ndbname={DATABASE}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(place.folder / "services"))
    return place.url(request.param)


class TestAUrl:
    def test_leads_migrate_seed_and_the_look_at_the_start_to_the_database(self, place, url):
        settings = Settings(DATABASE_URL=url, argon2_memory_kib=8, argon2_iterations=1)
        assert settings.database_url is not None
        assert upgrade(settings.database_url) == "The database is up to date."
        assert plant(settings, discover(), NOTHING | {"users": 3}).counts["users"] == 3
        assert list(concerns(settings)) == []
        with psycopg.connect(url_with(place.administration, dbname=DATABASE)) as connection:
            schema = "app" if "search_path" in url else "public"
            assert connection.execute(f"SELECT count(*) FROM {schema}.users").fetchone() == (3,)

    async def test_leads_both_lanes_there(self, url):
        settings = Settings(DATABASE_URL=url, pool_size=1)
        assert settings.database_url is not None
        upgrade(settings.database_url)
        database = Database(settings)
        where = Statement(select(func.current_database(), func.current_schema()))
        expected = [(DATABASE, "app" if "search_path" in url else "public")]
        try:
            assert not (await standing(database)).lacks
            assert await database.read(where, {}) == expected
            async with database.unit_of_work() as unit:
                assert await unit.execute(where, {}) == expected
            async with database.unit_of_work() as unit, unit.orm() as session:
                assert await session.scalar(select(func.current_database())) == DATABASE
        finally:
            await database.close()


class TestAFileOfPasswords:
    def test_is_read_for_each_connection_so_that_a_password_changes_while_servers_run(self, place, database, tmp_path):
        def is_ready() -> bool:
            return server.get("/health/ready").status_code == 200

        write_pass_file(place.folder, PASSWORD)
        url = place.url(URLS["a file of passwords"])
        upgrade(url)
        with (
            serving(tmp_path, DATABASE_URL=url) as server,
            psycopg.connect(place.administration, autocommit=True) as operator,
        ):
            change = sql.SQL("ALTER ROLE {} PASSWORD {}")
            operator.execute(change.format(sql.Identifier(USER), "another"))
            try:
                operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [USER])
                eventually(lambda: not is_ready())
                write_pass_file(place.folder, "another")
                eventually(is_ready)
            finally:
                operator.execute(change.format(sql.Identifier(USER), PASSWORD))


class TestTheCommands:
    def test_take_the_environment_of_libpq_for_what_the_url_leaves_open(self, place, database):
        """With a database of your own, it is a feature."""
        environment = {"PGHOST": str(place.folder), "PGPORT": str(place.port), "PGUSER": USER, "PGPASSWORD": PASSWORD}
        environment |= {"PGDATABASE": DATABASE, "DATABASE_URL": "postgresql://", "TRELLIS_SECRET": "0123456789" * 4}
        for command in (["migrate"], ["seed", "--yes", "--users", "2"], ["purge"]):
            done = trellis(*command, **environment)
            assert done.returncode == 0, done.stderr
