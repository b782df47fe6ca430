"""How the tags module is put together."""

from dependency_injector import containers, providers

from modules.tags.api import TagsApi
from modules.tags.repository import TagRepository
from modules.tags.service import TagService


class TagsContainer(containers.DeclarativeContainer):
    """Needs the kernel alone."""

    kernel = providers.DependenciesContainer()

    repository = providers.Singleton(TagRepository, kernel.tools)
    service = providers.Factory(TagService, repository)
    api = providers.Singleton(TagsApi, kernel.extensions)
