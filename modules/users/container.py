"""How the users module is put together."""

from dependency_injector import containers, providers

from modules.users.api import UsersApi
from modules.users.factors.apps import AppService
from modules.users.factors.challenges import GOOD_FOR, Challenges
from modules.users.factors.passkeys import PasskeyService
from modules.users.factors.recovery_codes import RecoveryCodes
from modules.users.factors.relying_party import RelyingParty
from modules.users.factors.repository import FactorRepository
from modules.users.factors.sealing import Sealing
from modules.users.factors.second_factor import SecondFactor
from modules.users.factors.service import FactorService
from modules.users.failures import FailureRepository
from modules.users.guesses import Guesses
from modules.users.keys.repository import KeyRepository
from modules.users.keys.service import KeyService
from modules.users.notices import Notices
from modules.users.passwords import StrongPasswords
from modules.users.proof import CurrentPassword
from modules.users.recovery.confirmations import Confirmations
from modules.users.recovery.repository import ConfirmationRepository
from modules.users.recovery.service import RecoveryService
from modules.users.repository import UserRepository
from modules.users.service import UserService
from modules.users.services.repository import ServiceRepository
from modules.users.services.service import Services
from modules.users.sessions.crowd import Crowd
from modules.users.sessions.repository import SessionRepository
from modules.users.sessions.service import Lifetimes, SessionService
from modules.users.settings import UsersSettings


class UsersContainer(containers.DeclarativeContainer):
    """Needs the kernel alone."""

    kernel = providers.DependenciesContainer()
    settings = providers.Dependency(instance_of=UsersSettings)

    repository = providers.Singleton(UserRepository, kernel.tools)
    session_repository = providers.Singleton(SessionRepository, kernel.tools, settings.provided.sessions_per_account)
    key_repository = providers.Singleton(KeyRepository, kernel.tools)
    failure_repository = providers.Singleton(FailureRepository, kernel.database)
    guesses = providers.Singleton(
        Guesses,
        failure_repository,
        kernel.settings.provided.keys.call("guesses"),
        settings.provided.registrations_per_hour,
    )
    notices = providers.Singleton(Notices, kernel.events, kernel.mailer)
    strong_passwords = providers.Singleton(StrongPasswords)
    current_password = providers.Factory(CurrentPassword, repository, kernel.passwords, guesses)
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
    factor_repository = providers.Singleton(FactorRepository, kernel.tools)
    recovery_codes = providers.Singleton(RecoveryCodes, kernel.database)
    sealing = providers.Singleton(Sealing, kernel.settings.provided.keys.call("second factors"))
    second_factor = providers.Singleton(SecondFactor, factor_repository, recovery_codes, sealing, notices)
    factor_service = providers.Factory(FactorService, factor_repository, recovery_codes, repository, notices)
    service = providers.Factory(
        UserService,
        repository,
        session_repository,
        key_repository,
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
        keys=key_repository,
        factors=factor_service,
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
        confirmation_repository,
        passwords=kernel.passwords,
        guesses=guesses,
        crowd=providers.Singleton(Crowd, kernel.passwords, guesses),
        access_tokens=kernel.access_tokens,
        second_factor=second_factor,
        refresh_keys=kernel.settings.provided.keys.call("refresh tokens"),
        lifetimes=providers.Callable(Lifetimes.of, kernel.settings),
        takes_passwords=kernel.settings.provided.password_grant,
    )
    service_repository = providers.Singleton(ServiceRepository, kernel.tools, repository)
    services = providers.Factory(
        Services, service_repository, repository, key_repository, notices, settings.provided.services_per_account
    )
    key_service = providers.Factory(
        KeyService, key_repository, service_repository, notices, kernel.scopes, settings.provided.keys_per_account
    )
    app_service = providers.Factory(AppService, factor_repository, factor_service, sealing)
    relying_party = providers.Callable(RelyingParty.at, kernel.settings.provided.public_url, GOOD_FOR)
    passkey_service = providers.Factory(
        PasskeyService,
        factor_repository,
        factor_service,
        challenges=providers.Singleton(Challenges, kernel.settings.provided.keys.call("passkey challenges")),
        sessions=session_service,
        relying_party=relying_party,
    )
    api = providers.Singleton(UsersApi, kernel.extensions)
