"""Authentication: from a bearer token to the principal whose session is alive."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import FromClause, Select, false, select

from shared.auth.principal import CALLER_IS_ADMIN, Principal
from shared.auth.tokens import AccessTokens, InvalidToken
from shared.extensions import ExtensionPoint, Extensions
from shared.observing import current_activity
from shared.wire import Database, Demand, Record, Statement

live_sessions: ExtensionPoint[Select[bool]] = ExtensionPoint("auth.live_sessions")
"""The statement that gives `is_admin` for the session `:session_id` of the account `:caller_id`, while both are alive.
The module that owns accounts contributes it."""


def gate(extensions: Extensions) -> FromClause:
    """The row `caller(is_admin)`, which exists while the caller's session is alive."""
    contributed = extensions[live_sessions] or (select(false().label("is_admin")).where(false()),)
    return contributed[0].subquery("caller")


def admitted(rows: Sequence[Record]) -> Sequence[Record]:
    """What a statement behind the gate gave. Raises InvalidToken when that is no row: the session has ended."""
    if not rows:
        raise InvalidToken
    return rows


class Authenticator:
    """Finds the caller. A valid signature is not enough: the session has to be alive."""

    def __init__(self, database: Database, tokens: AccessTokens, extensions: Extensions) -> None:
        self._database = database
        self._tokens = tokens
        self._statement = Statement(select(CALLER_IS_ADMIN).select_from(gate(extensions)))

    def caller(self, token: str) -> Principal:
        """The caller that the token names. The session is checked with the first statement: by the gate of a read, by
        the demand of a change. Raises InvalidToken.
        """
        claims = self._tokens.verify(token)
        current_activity.get().principal = claims.user_id
        return Principal(claims.user_id, claims.session_id)

    def known(self, token: str) -> Principal:
        """The caller that the token names, where that can be told without asking anybody. Raises InvalidToken."""
        claims = self._tokens.verify(token)
        return Principal(claims.user_id, claims.session_id)

    def demand(self, caller: Principal) -> Demand:
        """That the caller's session and account are alive, as the unit of work begins."""
        return Demand(self._statement, caller.parameters(), InvalidToken)

    async def principal(self, token: str) -> Principal:
        """The caller, whose session and account are alive now. Raises InvalidToken."""
        return await self.checked(self.caller(token))

    async def checked(self, caller: Principal) -> Principal:
        """The same caller, whose session and account are alive now. Raises InvalidToken."""
        ((is_admin,),) = admitted(await self._database.read(self._statement, caller.parameters()))
        return replace(caller, is_admin=is_admin)
