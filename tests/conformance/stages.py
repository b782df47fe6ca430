"""Where promises are tried: the application over a database that forgets, or over one that commits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI

from app.asgi import create_app
from app.container import Application, compose
from shared.manifest import discover
from shared.settings import Settings
from shared.wire.database import Database
from tests.callers import Caller, signed_in
from tests.database import clone
from tests.factories import RowFactory


@dataclass(frozen=True)
class Stage:
    """An application, and the database that its rows are in."""

    app: FastAPI
    application: Application

    @property
    def database(self) -> Any:
        """The kernel's; on the stage of most tests a `RolledBackDatabase`."""
        return self.application.kernel.database()

    @property
    def settings(self) -> Settings:
        return self.application.kernel.settings()

    async def sign_in(self, user: Any = None, **columns: Any) -> Caller:
        """A caller, by the columns of an account or with a `user` that there is."""
        return await signed_in(self.app, self.application, user, **columns)

    @contextmanager
    def with_factories(self):
        """Meanwhile, factories save their rows here."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RowFactory, "database", self.database, raising=False)
            yield


@asynccontextmanager
async def committing(settings: Settings) -> AsyncIterator[Stage]:
    """A stage over a database of its own, which really commits: for what only a commit shows, such as the feed."""
    with clone("conformance") as url:
        application = compose(settings.model_copy(update={"database_url": url}), discover())
        yield Stage(create_app(application), application)
        await application.kernel.database().close()


def over(database: Database, settings: Settings) -> Stage:
    """Another application over a database that there is."""
    application = compose(settings, discover())
    application.kernel.database.override(database)
    return Stage(create_app(application), application)
