"""The settings of the users module."""

from pydantic import Field

from shared.settings import ModuleSettings


class UsersSettings(ModuleSettings):
    """For operators whose clients come otherwise than most."""

    registrations_per_hour: int = Field(100, gt=0, le=10_000_000)
    """How many accounts may be registered from one network address, at once and then in each hour."""
