"""What other modules may know of projects. What crosses this border is frozen and small."""

from dataclasses import dataclass
from uuid import UUID

from modules.projects.errors import ProjectNotFound
from modules.projects.repository import ProjectRepository
from modules.projects.schemas import ProjectSummary
from shared.events import Deleted, Event, Restored
from shared.writes import Api

__all__ = ["MemberInvited", "ProjectDeleted", "ProjectNotFound", "ProjectRestored", "ProjectSummary", "ProjectsApi"]


@dataclass(frozen=True)
class MemberInvited(Event):
    """Somebody was invited to a project."""

    invitation_id: UUID


class ProjectDeleted(Deleted, of="projects"):
    """A project was deleted, or all those of an account."""


class ProjectRestored(Restored, of="projects"):
    """A project was restored, or all those of an account."""


class ProjectsApi(Api):
    """What other modules may ask about projects."""

    resource = ProjectRepository
