"""The kernel's container for HTTP: what routes ask for by name, one of each in an application."""

from dependency_injector import containers, providers

from shared.http.edge import Drain
from shared.http.imports import Imports
from shared.http.reads import export_turns
from shared.http.routes import Mutations, change_turns
from shared.http.server import Gate
from shared.settings import Settings


def _at_work(settings: Settings) -> int:
    """How many imports run at once: half of the write lane, so that other changes have connections, too."""
    return max(1, settings.pool_size // 2)


class HttpContainer(containers.DeclarativeContainer):
    """Needs the kernel. Everything here is a singleton, since it counts running requests, or is what all share."""

    kernel = providers.DependenciesContainer()

    mutations = providers.Singleton(
        Mutations,
        kernel.database,
        kernel.authenticator,
        kernel.idempotency,
        kernel.resources,
        providers.Singleton(change_turns, kernel.settings),
        require_if_match=kernel.settings.provided.require_if_match,
    )
    imports = providers.Singleton(
        Imports,
        kernel.authenticator,
        providers.Callable(_at_work, kernel.settings),
        kernel.settings.provided.imports_per_account,
    )
    exports = providers.Singleton(export_turns, kernel.settings)
    drain = providers.Singleton(Drain)
    gate = providers.Singleton(Gate, kernel.settings)
