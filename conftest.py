"""The fixtures of every test, those in the modules included: the application on a real PostgreSQL, and who calls it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

import hypothesis
import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr

from app.asgi import create_app
from app.container import Application, compose
from shared.manifest import discover
from shared.settings import Settings
from tests import callers
from tests.callers import Caller, anonymous
from tests.database import TEMPLATE, RolledBackDatabase, clone, template
from tests.factories import RowFactory
from tests.jobs_done import do_jobs
from tests.patience import PATIENCE
from tests.servers import forget_settings

pytest_plugins = ["pytester", "tests.answers", "tests.mails", "tests.selection.plugin"]

# A slow machine finds no fault: an example may take its time, and so may what makes it.
hypothesis.settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """The controller starts the server and migrates the template, once, before it starts its workers."""
    forget_settings(but=(TEMPLATE, "DATABASE_URL"))
    if not hasattr(config, "workerinput"):
        opened = template()
        os.environ[TEMPLATE] = opened.__enter__()
        config.add_cleanup(lambda: opened.__exit__(None, None, None))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for servers that they have started."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """Settings on a database of this worker's own. Hashing is as cheap as argon2 allows."""
    with clone("worker") as url:
        yield Settings(
            DATABASE_URL=url,
            environment="development",
            public_url="https://www.example.org",
            secret=SecretStr("a secret for tests, 32 bytes or more"),
            argon2_memory_kib=8,
            argon2_iterations=1,
            pool_wait_seconds=PATIENCE,
            statement_seconds=PATIENCE,
        )


@pytest.fixture(scope="session")
async def application(settings: Settings) -> AsyncIterator[Application]:
    """The modules, composed as in production but for the database, which forgets."""
    application = compose(settings, discover())
    database = RolledBackDatabase(settings)
    application.kernel.database.override(database)
    RowFactory.database = database
    yield application
    await database.close()


@pytest.fixture(scope="session")
def app(application: Application) -> FastAPI:
    """The ASGI application."""
    return create_app(application)


@pytest.fixture
async def database(application: Application) -> AsyncIterator[RolledBackDatabase]:
    """The database in a transaction that is rolled back after the test."""
    database: RolledBackDatabase = application.kernel.database()
    async with database.rolled_back():
        yield database


@pytest.fixture
async def client(app: FastAPI, database: RolledBackDatabase) -> AsyncIterator[AsyncClient]:  # noqa: ARG001 (opened)
    """A caller without credentials."""
    async with anonymous(app) as client:
        yield client


@pytest.fixture
def signed_in(app: FastAPI, application: Application, database: RolledBackDatabase) -> Callable[..., Awaitable[Caller]]:  # noqa: ARG001 (opened)
    """How a test gets its callers, by the columns of an account or with a `user` that there is."""
    return partial(callers.signed_in, app, application)


@pytest.fixture
def jobs_done(application: Application, database: RolledBackDatabase) -> Callable[[], Awaitable[list[str]]]:  # noqa: ARG001 (opened)
    """Does the jobs that events left in the queue, and names them."""
    return partial(do_jobs, application)
