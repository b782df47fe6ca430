"""Authentication: from a bearer token to the principal whose session is alive."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, DateTime, FromClause, Select, cast, false, literal_column, null, select

from shared.auth.api_keys import PREFIX, ApiKeys
from shared.auth.principal import CALLER_IS_ADMIN, Principal
from shared.auth.scopes import InsufficientScope, Needed
from shared.auth.tokens import AccessTokens, InvalidToken
from shared.extensions import ExtensionPoint, Extensions
from shared.observing import current_activity
from shared.wire import Database, Demand, Record, Statement

live_sessions: ExtensionPoint[Select[bool, datetime]] = ExtensionPoint("auth.live_sessions")
"""The statement that gives `is_admin` and `signed_in_at` for the session `:session_id` of the account `:caller_id`,
while both are alive. The module that owns accounts contributes it."""

_NOBODY = select(false().label("is_admin"), cast(null(), DateTime(timezone=True)).label("signed_in_at")).where(false())
_SIGNED_IN_AT: ColumnElement[datetime] = literal_column("caller.signed_in_at", DateTime(timezone=True))


def gate(extensions: Extensions) -> FromClause:
    """The row `caller(is_admin, signed_in_at)`, which exists while the caller's session is alive."""
    contributed = extensions[live_sessions] or (_NOBODY,)
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
        self._keys = ApiKeys(database, extensions)
        self._statement = Statement(select(CALLER_IS_ADMIN, _SIGNED_IN_AT).select_from(gate(extensions)))

    async def caller(self, token: str, needed: Needed) -> Principal:
        """The caller that the token names, who has the scopes that a key needs. The session is checked with the first
        statement: by the gate of a read, by the demand of a change. Raises InvalidToken, InsufficientScope and
        KeyRefused.
        """
        if token.startswith(PREFIX):
            return await self._of_key(token, needed)
        claims = self._tokens.verify(token)
        current_activity.get().principal = claims.user_id
        return Principal(claims.user_id, claims.session_id)

    def known(self, token: str) -> Principal:
        """The caller that the token names, where that can be told without asking anybody: a key that was used lately,
        too. Raises InvalidToken.
        """
        if token.startswith(PREFIX):
            return self._keys.known(token)
        claims = self._tokens.verify(token)
        return Principal(claims.user_id, claims.session_id)

    def demand(self, caller: Principal) -> Demand:
        """That the caller's session and account are alive, as the unit of work begins."""
        return Demand(self._statement, caller.parameters(), InvalidToken)

    async def principal(self, token: str, needed: Needed) -> Principal:
        """The same, whose session and account are alive now. Raises InvalidToken, InsufficientScope and KeyRefused."""
        return await self.checked(await self.caller(token, needed))

    async def checked(self, caller: Principal) -> Principal:
        """The same caller, whose session and account are alive now. Raises InvalidToken."""
        ((is_admin, signed_in_at),) = admitted(await self._database.read(self._statement, caller.parameters()))
        return replace(caller, is_admin=is_admin, signed_in_at=signed_in_at)

    async def _of_key(self, token: str, needed: Needed) -> Principal:
        caller = await self._keys.caller(token)
        current_activity.get().principal = caller.user_id
        try:
            caller.require_scopes(needed)
        except InsufficientScope:
            await self.checked(caller)  # Of a key that is revoked, nothing else is told.
            raise
        return caller
