"""How the projects module is put together."""

from dependency_injector import containers, providers

from modules.projects.api import ProjectsApi
from modules.projects.invitations import InvitationService
from modules.projects.repository import InvitationRepository, ProjectRepository
from modules.projects.service import ProjectService
from modules.projects.settings import ProjectSettings
from modules.tags.api import TagsApi
from modules.users.api import UsersApi


class ProjectsContainer(containers.DeclarativeContainer):
    """Needs the kernel, users as members and tags to attach."""

    kernel = providers.DependenciesContainer()
    settings = providers.Dependency(instance_of=ProjectSettings)
    users = providers.Dependency(instance_of=UsersApi)
    tags = providers.Dependency(instance_of=TagsApi)

    repository = providers.Singleton(ProjectRepository, kernel.tools, settings.provided.per_account)
    invitation_repository = providers.Singleton(InvitationRepository, kernel.tools, repository)
    service = providers.Factory(ProjectService, repository, invitation_repository, users=users, tags=tags)
    invitation_service = providers.Factory(
        InvitationService,
        invitation_repository,
        repository,
        users=users,
        events=kernel.events,
        mailer=kernel.mailer,
        settings=settings,
    )
    api = providers.Singleton(ProjectsApi, kernel.extensions)
