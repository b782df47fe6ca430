"""The application as its start puts it together, without a database: for whoever looks at it."""

from secrets import token_urlsafe

from fastapi import FastAPI
from pydantic import SecretStr

from app.asgi import create_app
from app.container import Application, compose
from shared.manifest import discover
from shared.settings import Settings


def assembled() -> tuple[Application, FastAPI]:
    """The modules, composed as in production. No connection is opened. Raises what the start raises."""
    settings = Settings(
        DATABASE_URL="postgresql://localhost/none", environment="development", secret=SecretStr(token_urlsafe())
    )
    application = compose(settings, discover())
    return application, create_app(application)
