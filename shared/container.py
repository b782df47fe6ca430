"""The kernel's container: what every module may ask for as `kernel`."""

from dependency_injector import containers, providers

from shared.auth.authentication import Authenticator
from shared.auth.passwords import Passwords
from shared.auth.tokens import AccessTokens
from shared.events import Events
from shared.extensions import Extensions
from shared.persistence.changes import Changes
from shared.persistence.cursors import Cursors
from shared.persistence.database import Database
from shared.persistence.history import Journal
from shared.persistence.idempotency import Idempotency
from shared.persistence.projection import Projector
from shared.persistence.resources import Resources
from shared.settings import Settings


class KernelContainer(containers.DeclarativeContainer):
    """Everything here is a singleton: it holds connections, threads, keys or compiled statements, and no request."""

    settings = providers.Dependency(instance_of=Settings)
    extensions = providers.Dependency(instance_of=Extensions)
    events = providers.Dependency(instance_of=Events)
    repositories = providers.Dependency(instance_of=tuple)

    database = providers.Singleton(Database, settings)
    projector = providers.Singleton(Projector, extensions, settings.provided.retention)
    cursors = providers.Singleton(Cursors, settings.provided.key.call("cursors"))
    access_tokens = providers.Singleton(
        AccessTokens, settings.provided.key.call("access tokens"), settings.provided.access_token_seconds
    )
    passwords = providers.Singleton(Passwords, settings.provided.argon2_memory_kib, settings.provided.argon2_iterations)
    authenticator = providers.Singleton(Authenticator, database, access_tokens, extensions)
    idempotency = providers.Singleton(Idempotency, database, extensions, settings.provided.key.call("idempotency"))
    resources = providers.Singleton(Resources, repositories, database, extensions)
    journal = providers.Singleton(Journal, database, projector, cursors)
    changes = providers.Singleton(
        Changes, repositories, database, projector, cursors, settings.provided.journal_retention
    )
