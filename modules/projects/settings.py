"""The settings of the projects module."""

from pydantic import Field

from shared.settings import ModuleSettings


class ProjectSettings(ModuleSettings):
    """Read from TRELLIS_PROJECTS_…."""

    per_account: int | None = Field(default=None, ge=1, le=1_000_000)
    """Projects that an account may own, those in the trash not counted; by default as many as it likes. Each new one
    has them counted, which takes a millisecond for some thousands."""
