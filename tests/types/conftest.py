"""The application with two more modules, `samples` and `named`, whose tables are made for each test."""

import pytest
from fastapi import FastAPI

from app.asgi import create_app
from app.container import Application, compose
from shared.manifest import discover
from shared.settings import Settings
from tests.database import RolledBackDatabase
from tests.types import names, samples
from tests.types.samples import Scratch

TRIGGERS = """
    CREATE TRIGGER touch BEFORE UPDATE ON samples FOR EACH ROW EXECUTE FUNCTION trellis_touch();
    CREATE TRIGGER touch BEFORE UPDATE ON named FOR EACH ROW EXECUTE FUNCTION trellis_touch();
    SELECT trellis_journal('samples', 'samples', 'id', '{updated_at}');
    SELECT trellis_journal('named', 'named', 'id', '{updated_at}')
"""


@pytest.fixture(scope="session")
def application(application: Application, settings: Settings) -> Application:
    """The modules, and these."""
    extended = compose(settings, [*discover(), samples.MODULE, names.MODULE])
    extended.kernel.database.override(application.kernel.database())
    return extended


@pytest.fixture(scope="session")
def app(application: Application) -> FastAPI:
    """Of this application."""
    return create_app(application)


@pytest.fixture
async def database(database: RolledBackDatabase) -> RolledBackDatabase:
    """With their tables."""
    async with database.orm() as session:
        connection = await session.connection()
        await connection.run_sync(Scratch.metadata.create_all)
    await database.script(TRIGGERS)
    return database


@pytest.fixture
async def ann(signed_in):
    return await signed_in()
