"""The settings of the users module."""

from pydantic import Field

from shared.settings import ModuleSettings


class UsersSettings(ModuleSettings):
    """For operators whose clients come otherwise than most, and how long links in mails are good."""

    registrations_per_hour: int = Field(300, gt=0, le=10_000_000)
    """How many accounts may be registered from one network address, at once and then in each hour."""
    sessions_per_account: int = Field(100, gt=0, le=10_000)
    """How many sessions an account may have. Another sign-in ends the one that was not used for longest."""
    keys_per_account: int = Field(100, gt=0, le=10_000)
    """How many API keys an account may have made that are good."""
    services_per_account: int = Field(100, gt=0, le=10_000)
    """How many services a person may own."""
    reset_seconds: int = Field(3600, gt=0, le=86_400)
    """How long the link that resets a password is good, once its mail is sent."""
    confirmation_seconds: int = Field(86_400, gt=0, le=30 * 86_400)
    """How long a link that confirms an address or a registration is good, once its mail is sent."""
