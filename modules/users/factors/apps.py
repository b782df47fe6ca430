"""Authenticator apps: how an account gets one."""

import os
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from modules.users.factors import totp
from modules.users.factors.errors import FactorConfirmed, FactorNotFound, WrongCode
from modules.users.factors.models import FactorKind
from modules.users.factors.repository import FactorRepository
from modules.users.factors.schemas import TotpCreate
from modules.users.factors.sealing import Sealing
from modules.users.factors.service import Added, FactorService
from shared.writes import Change

PENDING_FOR = timedelta(minutes=10)
"""How long an app may wait for its first code."""


class NewApp(NamedTuple):
    """An app that waits for its first code, and what it has to be told."""

    id: UUID
    document: bytes
    secret: str
    uri: str


class AppService:
    """Adds authenticator apps."""

    def __init__(self, factors: FactorRepository, service: FactorService, sealing: Sealing) -> None:
        self._factors = factors
        self._service = service
        self._sealing = sealing

    async def begin(self, change: Change, data: TotpCreate) -> NewApp:
        """A new one in the place of any that still waits. Raises TooManyFactors, and InvalidToken."""
        user_id, secret = change.caller.user_id, os.urandom(totp.SECRET_BYTES)
        email = await self._service.make_room(change)
        id = await self._factors.add(
            change,
            user_id=user_id,
            kind=FactorKind.TOTP,
            name=data.name,
            key_material=self._sealing.seal(secret, user_id),
            expires_at=datetime.now(UTC) + PENDING_FOR,
        )
        document = await self._factors.get(change.caller, id, read=change.unit.execute)
        return NewApp(id, document, totp.base32(secret), totp.provisioning_uri(secret, email))

    async def seal_anew(self, change: Change) -> None:
        """Seal with the present key what was sealed with a former one: when it is all, an operator can forget that."""
        if not self._sealing.former:
            return
        for sealed in await self._factors.sealed_by(change, self._sealing.former):
            secret = self._sealing.opened(sealed.key_material, sealed.user_id)
            if secret is not None:
                await self._factors.seal(change, sealed.id, self._sealing.seal(secret, sealed.user_id))

    async def confirm(self, change: Change, id: UUID, code: str) -> Added:
        """By its first code, which shows that it works; from now on sign-ins ask for it. Wrong ones are not counted:
        the caller has been told the secret. Raises FactorNotFound, FactorConfirmed, WrongCode, and InvalidToken.
        """
        user_id = change.caller.user_id
        await self._service.hold(change)
        pending = await self._factors.pending(change, user_id, id)
        if pending is None or pending.is_good is False:
            raise FactorNotFound
        if pending.is_good is None:
            raise FactorConfirmed
        secret = self._sealing.opened(pending.key_material, user_id)
        step = None if secret is None else totp.step_of(secret, totp.typed(code))
        if step is None:
            raise WrongCode(pointer="/code")
        await self._factors.confirm(change, id)
        return await self._service.added(change, id, pending.name, step)
