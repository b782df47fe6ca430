"""The kernel's container, which modules get as `kernel`."""

from dependency_injector import containers, providers

from shared.auth import AccessTokens, Authenticator, Passwords
from shared.events import Events
from shared.extensions import Extensions
from shared.feed import Changes
from shared.mail import Mailer
from shared.observing import Watch
from shared.reads import Cursors, Journal, Projector, Tools
from shared.settings import Settings
from shared.wire import Database
from shared.writes import Idempotency, Resources


class KernelContainer(containers.DeclarativeContainer):
    """All singletons: they hold connections, threads, keys or compiled statements, and nothing of a request."""

    settings = providers.Dependency(instance_of=Settings)
    extensions = providers.Dependency(instance_of=Extensions)
    events = providers.Dependency(instance_of=Events)
    repositories = providers.Dependency(instance_of=tuple)
    scopes = providers.Dependency(instance_of=frozenset)

    watch = providers.Singleton(Watch)
    database = providers.Singleton(Database, settings)
    projector = providers.Singleton(Projector, extensions, settings.provided.retention)
    cursors = providers.Singleton(Cursors, settings.provided.keys.call("cursors"))
    tools = providers.Singleton(Tools, database, projector, cursors, events)
    access_tokens = providers.Singleton(
        AccessTokens, settings.provided.keys.call("access tokens"), settings.provided.access_token_seconds
    )
    passwords = providers.Singleton(Passwords, settings.provided.argon2_memory_kib, settings.provided.argon2_iterations)
    mailer = providers.Singleton(Mailer, settings)
    authenticator = providers.Singleton(Authenticator, database, access_tokens, extensions)
    idempotency = providers.Singleton(
        Idempotency,
        database,
        extensions,
        settings.provided.keys.call("idempotency"),
        settings.provided.idempotency_bytes_per_account,
    )
    resources = providers.Singleton(Resources, repositories, extensions)
    journal = providers.Singleton(Journal, database, projector, cursors)
    changes = providers.Singleton(
        Changes, repositories, database, projector, cursors, settings.provided.journal_retention
    )
