"""How the users module is put together."""

from dependency_injector import containers, providers

from modules.users.api import UsersApi
from modules.users.failures import FailureRepository
from modules.users.guesses import Guesses
from modules.users.notices import Notices
from modules.users.passwords import StrongPasswords
from modules.users.proof import CurrentPassword
from modules.users.recovery.confirmations import Confirmations
from modules.users.recovery.repository import ConfirmationRepository
from modules.users.recovery.service import RecoveryService
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
    notices = providers.Singleton(Notices, kernel.events, kernel.mailer)
    strong_passwords = providers.Singleton(StrongPasswords)
    current_password = providers.Singleton(CurrentPassword, repository, kernel.passwords, guesses)
    confirmation_repository = providers.Singleton(ConfirmationRepository, kernel.database)
    confirmations = providers.Singleton(
        Confirmations,
        confirmation_repository,
        kernel.database,
        events=kernel.events,
        mailer=kernel.mailer,
        settings=settings,
        site=kernel.settings.provided.public_url,
    )
    service = providers.Factory(
        UserService,
        repository,
        session_repository,
        passwords=kernel.passwords,
        strong=strong_passwords,
        proof=current_password,
        guesses=guesses,
        confirmations=confirmations,
        notices=notices,
    )
    recovery_service = providers.Factory(
        RecoveryService,
        repository,
        session_repository,
        confirmation_repository,
        confirmations=confirmations,
        passwords=kernel.passwords,
        strong=strong_passwords,
        proof=current_password,
        guesses=guesses,
        notices=notices,
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
