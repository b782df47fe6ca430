"""Notices: mails that tell the owner of an account what was done to it (ASVS 6.3.7)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select
from sqlmodel import col

from modules.users.models import User
from shared.events import Event, Events
from shared.mail import Mailer, Templates
from shared.wire import Statement
from shared.writes import Change

MAILS = Templates(Path(__file__).parent / "templates")


class Notice(StrEnum):
    """What was done."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (a word of ours)
    EMAIL_CHANGED = "email_changed"
    KEY_MADE = "key_made"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    SERVICE_MADE = "service_made"


@dataclass(frozen=True)
class NoticeDue(Event):
    """The owner of an account is to be told what was done to it."""

    notice: Notice
    email: str
    """Where the account was reached when it was done: whoever did it may have changed that since."""
    at: datetime
    details: dict[str, str]


_EMAIL = Statement(select(col(User.email)).where(col(User.id) == bindparam("id", type_=Uuid())))


class Notices:
    """Tells the owners of accounts, by mail. Without mail, it tells nobody."""

    def __init__(self, events: Events, mailer: Mailer) -> None:
        self._events = events
        self._mailer = mailer

    async def tell(self, change: Change, user_id: UUID, notice: Notice, **details: str) -> None:
        """Leave a mail to be sent if the change is kept, to the address that the account has at this moment in it: tell
        of a change of address before it. The details are what the template shows, such as the `name` of a key, and
        no secrets: they stand in the queue.
        """
        if not self._mailer.is_configured:
            return
        for (email,) in await change.unit.execute(_EMAIL, {"id": user_id}):
            await self._events.publish(change, NoticeDue(notice, email, datetime.now(UTC), details))

    async def send_notice(self, _: Change, due: NoticeDue) -> None:
        """Send a mail that was left."""
        at = f"{due.at:%Y-%m-%d at %H:%M} UTC"
        await self._mailer.send(MAILS.mail("notice", due.email, notice=due.notice.value, at=at, details=due.details))
