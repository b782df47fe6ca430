"""Confirmations: what is asked for, and has to be confirmed by a link that only the mail's reader has."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from modules.users.notices import MAILS
from modules.users.recovery.models import Purpose
from modules.users.recovery.repository import ConfirmationRepository, Due
from modules.users.settings import UsersSettings
from shared.events import Event, Events
from shared.mail import Mailer
from shared.wire import Database
from shared.writes import Change


@dataclass(frozen=True)
class ConfirmationDue(Event):
    """A mail with a link is to be sent."""

    confirmation_id: UUID


class Confirmations:
    """Asks by mail. Whether there is an account with an address, only the job looks, and only the mail tells."""

    def __init__(
        self,
        confirmations: ConfirmationRepository,
        database: Database,
        *,
        events: Events,
        mailer: Mailer,
        settings: UsersSettings,
        site: str | None,
    ) -> None:
        """`site` is the URL to which links in mails lead."""
        self._confirmations = confirmations
        self._database = database
        self._events = events
        self._mailer = mailer
        self._settings = settings
        self._site = site

    @property
    def is_configured(self) -> bool:
        """Whether mails are sent, or kept for an operator."""
        return self._mailer.is_configured

    @property
    def reach_people(self) -> bool:
        """Whether mails are sent."""
        return self._mailer.reaches_people

    async def ask_reset(self, change: Change, email: str) -> None:
        """Whoever reads the mail may set another password."""
        await self._mail(change, await self._confirmations.ask_reset(change, email))

    async def ask_address(self, change: Change, user_id: UUID, email: str | None = None) -> None:
        """Whoever reads the mail has this address; by default the account's present one."""
        await self._mail(change, await self._confirmations.ask_address(change, user_id, email))

    async def ask_registration(self, change: Change, email: str, full_name: str, password_hash: str) -> None:
        """Whoever reads the mail gets an account."""
        await self._mail(change, await self._confirmations.ask_registration(change, email, full_name, password_hash))

    async def _mail(self, change: Change, id: UUID) -> None:
        await self._events.publish(change, ConfirmationDue(id))

    async def send_confirmation(self, _: Change, due: ConfirmationDue) -> None:
        """Send the mail. Its token is made now, and only its digest kept: it never was in the queue. The digest is kept
        before the mail is sent, in a unit of work of its own: so the link is good at once, and no transaction waits for
        the mail server. It is kept where there is nobody to write to, too: the cursors of the feed tell how many
        transactions there were.
        """
        found = await self._confirmations.due(due.confirmation_id)
        if found is None:
            return
        template, to = _mail_for(found)
        lifetime, token = self._lifetime(found.purpose), secrets.token_urlsafe(32)
        async with self._database.unit_of_work() as unit:  # check: kept before the mail is sent
            await self._confirmations.issue(Change(unit), due.confirmation_id, digest_of(token), lifetime)
        if to is None:
            return
        if template == "address_known":
            await self._mailer.send(MAILS.mail(template, to, site=self._site))
            return
        page = "password-reset" if found.purpose == Purpose.RESET else "verify-email"
        link = f"{self._site}/{page}#token={token}"  # Browsers send no fragment, so it is in nobody's log.
        await self._mailer.send(MAILS.mail(template, to, link=link, lifetime=_told(lifetime)))

    def _lifetime(self, purpose: Purpose) -> timedelta:
        is_reset = purpose == Purpose.RESET
        return timedelta(seconds=self._settings.reset_seconds if is_reset else self._settings.confirmation_seconds)


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def _mail_for(due: Due) -> tuple[str, str | None]:
    """The template, and the address; None where there is nobody to write to."""
    if due.purpose == Purpose.RESET:
        return "password_reset", due.owner
    if due.purpose == Purpose.ADDRESS and due.owner is None:
        return "confirm_address", None
    if due.taken_by is not None:
        return "address_known", due.taken_by
    return f"confirm_{due.purpose}", due.email


def _told(lifetime: timedelta) -> str:
    """A duration in words, in whole hours or minutes."""
    minutes = max(1, round(lifetime.total_seconds() / 60))
    amount, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
    return f"{amount} {unit}{'s' if amount > 1 else ''}"
