"""Authentication: from a bearer token to the principal whose session is alive."""

from sqlalchemy import FromClause, Select, false, select

from shared.auth.principal import CALLER_IS_ADMIN, Principal
from shared.auth.tokens import AccessTokens, InvalidToken
from shared.extensions import ExtensionPoint, Extensions
from shared.wire import Database, Statement

live_sessions: ExtensionPoint[Select[bool]] = ExtensionPoint("auth.live_sessions")
"""The statement that finds the session `:session_id` of the account `:caller_id` as long as both are good, and gives
`is_admin`. The module that owns accounts contributes it."""


def gate(extensions: Extensions) -> FromClause:
    """The caller's row, `caller(is_admin)`: there while their session is alive."""
    contributed = extensions[live_sessions] or (select(false().label("is_admin")).where(false()),)
    return contributed[0].subquery("caller")


class Authenticator:
    """Tells who calls. A signature alone is not enough: a session that ended fails on its next request."""

    def __init__(self, database: Database, tokens: AccessTokens, extensions: Extensions) -> None:
        self._database = database
        self._tokens = tokens
        self._statement = Statement(select(CALLER_IS_ADMIN).select_from(gate(extensions)))

    def caller(self, token: str) -> Principal:
        """Who the token says is calling; whether the session is alive, the gate tells in the statement that reads for
        them. Raises InvalidToken.
        """
        claims = self._tokens.verify(token)
        return Principal(claims.user_id, claims.session_id)

    async def principal(self, token: str) -> Principal:
        """Who is calling, session and account being alive now. Raises InvalidToken."""
        caller = self.caller(token)
        for (is_admin,) in await self._database.read(self._statement, caller.parameters()):
            return Principal(caller.user_id, caller.session_id, is_admin)
        raise InvalidToken
