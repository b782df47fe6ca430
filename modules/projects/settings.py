"""The settings of the projects module."""

from pydantic import Field

from shared.settings import ModuleSettings


class ProjectSettings(ModuleSettings):
    """Read from TRELLIS_PROJECTS_…."""

    invitation_days: int = Field(default=14, ge=1, le=365)
    """Days after which an invitation to a project expires."""
    most_invitations: int = Field(default=100, ge=1, le=10_000)
    """Open invitations that a project may have at a time."""
    per_account: int | None = Field(default=None, ge=1, le=1_000_000)
    """Projects that an account may own, those in the trash not counted; by default as many as it likes. Each new one
    has them counted, which takes a millisecond for some thousands."""
