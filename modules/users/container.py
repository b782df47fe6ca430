"""How the users module is put together."""

from dependency_injector import containers, providers

from modules.users.api import UsersApi
from modules.users.failures import FailureRepository
from modules.users.guesses import Guesses
from modules.users.repository import UserRepository
from modules.users.service import UserService
from modules.users.sessions.repository import SessionRepository
from modules.users.sessions.service import Lifetimes, NoSecondFactor, SessionService
from modules.users.settings import UsersSettings


class UsersContainer(containers.DeclarativeContainer):
    """Needs the kernel alone."""

    kernel = providers.DependenciesContainer()
    settings = providers.Dependency(instance_of=UsersSettings)

    repository = providers.Singleton(UserRepository, kernel.tools)
    session_repository = providers.Singleton(SessionRepository, kernel.tools)
    failure_repository = providers.Singleton(FailureRepository, kernel.database)
    guesses = providers.Singleton(
        Guesses,
        failure_repository,
        kernel.settings.provided.keys.call("guesses"),
        settings.provided.registrations_per_hour,
    )
    service = providers.Factory(
        UserService,
        repository,
        session_repository,
        passwords=kernel.passwords,
        guesses=guesses,
    )
    session_service = providers.Factory(
        SessionService,
        repository,
        session_repository,
        passwords=kernel.passwords,
        guesses=guesses,
        access_tokens=kernel.access_tokens,
        second_factor=providers.Singleton(NoSecondFactor),
        refresh_keys=kernel.settings.provided.keys.call("refresh tokens"),
        lifetimes=providers.Callable(Lifetimes.of, kernel.settings),
        takes_passwords=kernel.settings.provided.password_grant,
    )
    api = providers.Singleton(UsersApi, kernel.extensions)
