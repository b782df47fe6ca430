"""The settings of the projects module."""

from pydantic import Field

from shared.settings import ModuleSettings


class ProjectSettings(ModuleSettings):
    """Read from TRELLIS_PROJECTS_…."""

    invitation_days: int = Field(default=14, ge=1, le=365)
    """Days after which an invitation to a project expires."""
    most_invitations: int = Field(default=100, ge=1, le=10_000)
    """Open invitations that a project may have at a time."""
