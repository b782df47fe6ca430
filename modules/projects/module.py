"""The manifest of the projects module."""

from modules.projects.api import MemberInvited, ProjectDeleted, ProjectRestored
from modules.projects.container import ProjectsContainer
from modules.projects.policy import count_carrying, tags_on_view
from modules.projects.repository import InvitationRepository, ProjectRepository
from modules.projects.router import router
from modules.projects.seeds import seed
from modules.projects.service import ProjectService
from modules.projects.settings import ProjectSettings
from modules.tags.api import project_counts, sharing
from modules.users.api import UserDeleted
from shared.manifest import Module

module = Module(
    name="projects",
    requires=("users", "tags"),
    container=ProjectsContainer,
    settings=ProjectSettings,
    router=router,
    resources=(ProjectRepository, InvitationRepository),
    publishes=(MemberInvited, ProjectDeleted, ProjectRestored),
    handles={UserDeleted: ProjectService.withdraw_invitations},
    extends={sharing: tags_on_view, project_counts: count_carrying},
    seed=seed,
)
