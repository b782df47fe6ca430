"""What other modules may know of projects. What crosses this border is frozen and small."""

from uuid import UUID

from pydantic import Field

from modules.projects.errors import ProjectNotFound
from modules.projects.models import Project
from modules.projects.repository import ProjectRepository
from shared.events import Deleted, Restored
from shared.reads import Summary
from shared.writes import Api

__all__ = ["ProjectDeleted", "ProjectNotFound", "ProjectRestored", "ProjectSummary", "ProjectsApi"]


class ProjectSummary(Summary, of=Project):
    """A project as other documents embed it."""

    id: UUID
    name: str = Field(description="What it is called.")


class ProjectDeleted(Deleted, of="projects"):
    """A project was deleted, or all those of an account."""


class ProjectRestored(Restored, of="projects"):
    """A project was restored, or all those of an account."""


class ProjectsApi(Api):
    """What other modules may ask about projects."""

    resource = ProjectRepository
