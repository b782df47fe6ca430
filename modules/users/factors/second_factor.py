"""What a sign-in by password asks for beside the password."""

from typing import NamedTuple
from uuid import UUID

from modules.users.factors import totp
from modules.users.factors.errors import SecondFactorRequired, SecondFactorWrong
from modules.users.factors.models import FactorKind
from modules.users.factors.recovery_codes import RecoveryCodes
from modules.users.factors.repository import FactorRepository, Known
from modules.users.factors.sealing import Sealing
from modules.users.notices import Notice, Notices
from shared.writes import Change

RECOVERY_CODE = "recovery_code"


class _Step(NamedTuple):
    """An app whose code it is, and its time step."""

    id: UUID
    counter: int


class SecondFactor:
    """Demands a code of whoever has a second factor. It is asked when the password was right, and not before: nothing
    tells anybody else that an account has one.
    """

    def __init__(self, factors: FactorRepository, codes: RecoveryCodes, sealing: Sealing, notices: Notices) -> None:
        self._factors = factors
        self._codes = codes
        self._sealing = sealing
        self._notices = notices

    async def demand(self, change: Change, user_id: UUID, code: str | None) -> None:
        """Nothing of an account without a second factor. Else the code of an app or a recovery code, which is good no
        more if the change is kept. Whoever asks holds the account, or it may get a factor meanwhile, and counts the
        codes that are tried. Raises SecondFactorRequired, and SecondFactorWrong.
        """
        known = await self._factors.of_account(change, user_id)
        if not known:
            return
        if code is None:
            raise await self._required(change, user_id, known)
        step = self._step_of(user_id, known, totp.typed(code))
        if step is not None and await self._factors.use(change, step.id, step.counter):
            return
        if step is not None or not await self._codes.use(change, user_id, code):
            raise SecondFactorWrong
        left = await self._codes.left(user_id, change.unit.execute)
        await self._notices.tell(change, user_id, Notice.RECOVERY_CODE_USED, left=str(left))

    def _step_of(self, user_id: UUID, known: list[Known], code: str) -> _Step | None:
        for factor in known:
            secret = self._sealing.opened(factor.key_material, user_id) if factor.kind == FactorKind.TOTP else None
            if secret is not None and (step := totp.step_of(secret, code, factor.counter)) is not None:
                return _Step(factor.id, step)
        return None

    async def _required(self, change: Change, user_id: UUID, known: list[Known]) -> SecondFactorRequired:
        kinds = {factor.kind for factor in known}
        if await self._codes.left(user_id, change.unit.execute) > 0:
            kinds.add(RECOVERY_CODE)
        required = SecondFactorRequired()
        required.members = {"factors": sorted(kinds)}
        return required
