"""How the users module is put together."""

from dependency_injector import containers, providers

from modules.users.api import UsersApi
from modules.users.repository import SessionRepository, UserRepository
from modules.users.service import UserService
from modules.users.sessions import SessionService


class UsersContainer(containers.DeclarativeContainer):
    """Needs the kernel alone."""

    kernel = providers.DependenciesContainer()

    repository = providers.Singleton(UserRepository, kernel.database, kernel.projector, kernel.cursors)
    session_repository = providers.Singleton(SessionRepository, kernel.database)
    service = providers.Factory(
        UserService, repository, session_repository, passwords=kernel.passwords, events=kernel.events
    )
    session_service = providers.Factory(
        SessionService,
        repository,
        session_repository,
        passwords=kernel.passwords,
        access_tokens=kernel.access_tokens,
        lifetime_seconds=kernel.settings.provided.refresh_token_seconds,
    )
    api = providers.Factory(UsersApi, repository)
