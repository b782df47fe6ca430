"""The manifest of the users module."""

from modules.users.api import UserDeleted, UserRestored
from modules.users.commands import promote
from modules.users.container import UsersContainer
from modules.users.factors.apps import AppService
from modules.users.keys.repository import KNOWN_KEY
from modules.users.notices import NoticeDue, Notices
from modules.users.recovery.confirmations import ConfirmationDue, Confirmations
from modules.users.repository import LIVE_SESSION, UserRepository
from modules.users.router import router
from modules.users.seeds import seed
from modules.users.settings import UsersSettings
from shared.auth import known_keys, live_sessions
from shared.jobs import Periodic
from shared.manifest import Module

module = Module(
    name="users",
    container=UsersContainer,
    router=router,
    resources=(UserRepository,),
    settings=UsersSettings,
    publishes=(UserDeleted, UserRestored, NoticeDue, ConfirmationDue),
    periodic=(Periodic(AppService.seal_anew, every="hour"),),
    later={NoticeDue: Notices.send_notice, ConfirmationDue: Confirmations.send_confirmation},
    extends={live_sessions: LIVE_SESSION, known_keys: KNOWN_KEY},
    commands=(promote,),
    seed=seed,
)
