"""A garden: a database with its tables, and the application of the planted modules on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from app.asgi import create_app
from app.container import Application
from app.worker import work
from shared.settings import Settings
from tests.callers import anonymous
from tests.database import clone
from tests.jobs.planted import TABLES, planted
from tests.patience import PATIENCE, eventually

UNBOUND = "-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0"
"""Options of a connection on which nothing is ended, whatever the database is set to."""


@dataclass
class Garden:
    """What the tests of this folder work in."""

    url: str
    application: Application
    app: FastAPI

    async def grow(self, how: str = "well", **options: Any) -> UUID:
        """Publish an event, by a request. The plant that it is about."""
        id = uuid4()
        async with anonymous(self.app) as client:
            params = {"how": how, **options.pop("params", {})}
            answer = await client.post(f"/garden/{id}", params=params, **options)
            assert answer.status_code in (200, 409), answer.text
        return id

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True, options=UNBOUND) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def heard(self, plant: UUID) -> list[str]:
        """The jobs that have been done about a plant."""
        return [job for (job,) in self.sql("SELECT job FROM heard WHERE plant_id = %s ORDER BY job", plant)]

    def jobs(self) -> list[tuple[str, str, int]]:
        """Name, state and attempts of each job about an event."""
        return self.sql("""
            SELECT args ->> 'job', status::text, attempts FROM procrastinate_jobs
            WHERE args ? 'event' ORDER BY args ->> 'job', id""")

    def rain(self) -> None:
        self.sql("INSERT INTO rain VALUES (1)")

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for it, while a worker in this process works."""
        return await asyncio.to_thread(eventually, condition)

    @asynccontextmanager
    async def working(self, **settings: Any) -> AsyncIterator[None]:
        """A worker in this process."""
        quick = {"job_retry_seconds": 0.01, "shutdown_seconds": 5} | settings
        application = planted(self.application.kernel.settings().model_copy(update=quick))
        task = asyncio.create_task(work(application))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await application.kernel.database().close()


Make = Callable[[], Awaitable[Garden]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with clone("jobs") as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        yield url


@pytest.fixture
async def garden(url: str) -> AsyncIterator[Garden]:
    """Without jobs, and without rain."""
    settings = Settings(
        DATABASE_URL=url,
        environment="development",
        secret=SecretStr("a secret for tests, 32 bytes or more"),
        argon2_memory_kib=8,
        argon2_iterations=1,
        pool_wait_seconds=PATIENCE,
        statement_seconds=PATIENCE,
    )
    application = planted(settings)
    garden = Garden(url, application, create_app(application))
    garden.sql("TRUNCATE heard, rain, procrastinate_jobs, procrastinate_periodic_defers CASCADE")
    yield garden
    await application.kernel.database().close()
