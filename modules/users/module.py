"""The manifest of the users module."""

from modules.users.api import UserDeleted, UserRestored
from modules.users.commands import promote
from modules.users.container import UsersContainer
from modules.users.notices import NoticeDue, Notices
from modules.users.recovery.confirmations import ConfirmationDue, Confirmations
from modules.users.repository import LIVE_SESSION, UserRepository
from modules.users.router import router
from modules.users.seeds import seed
from modules.users.settings import UsersSettings
from shared.auth import live_sessions
from shared.manifest import Module

module = Module(
    name="users",
    container=UsersContainer,
    router=router,
    resources=(UserRepository,),
    publishes=(UserDeleted, UserRestored, NoticeDue, ConfirmationDue),
    later={NoticeDue: Notices.send_notice, ConfirmationDue: Confirmations.send_confirmation},
    settings=UsersSettings,
    extends={live_sessions: LIVE_SESSION},
    commands=(promote,),
    seed=seed,
)
