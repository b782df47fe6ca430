"""How the tags module is put together."""

from dependency_injector import containers, providers

from modules.tags.api import TagsApi
from modules.tags.repository import TagRepository
from modules.tags.service import TagService
from modules.users.api import UsersApi


class TagsContainer(containers.DeclarativeContainer):
    """Needs the kernel, and users as owners."""

    kernel = providers.DependenciesContainer()
    users = providers.Dependency(instance_of=UsersApi)

    repository = providers.Singleton(TagRepository, kernel.database, kernel.projector, kernel.cursors)
    service = providers.Factory(TagService, repository, users=users)
    api = providers.Singleton(TagsApi, kernel.extensions)
