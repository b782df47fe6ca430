"""Authentication: from a bearer token to the principal whose session is alive."""

from sqlalchemy import FromClause, Select, false, select

from shared.auth.principal import CALLER_IS_ADMIN, Principal
from shared.auth.tokens import AccessTokens, InvalidToken
from shared.extensions import ExtensionPoint, Extensions
from shared.wire import Database, Statement

live_sessions: ExtensionPoint[Select[bool]] = ExtensionPoint("auth.live_sessions")
"""The statement that gives `is_admin` for the session `:session_id` of the account `:caller_id`, while both are alive.
The module that owns accounts contributes it."""


def gate(extensions: Extensions) -> FromClause:
    """The row `caller(is_admin)`, which exists while the caller's session is alive."""
    contributed = extensions[live_sessions] or (select(false().label("is_admin")).where(false()),)
    return contributed[0].subquery("caller")


class Authenticator:
    """Finds the caller. A valid signature is not enough: the session has to be alive."""

    def __init__(self, database: Database, tokens: AccessTokens, extensions: Extensions) -> None:
        self._database = database
        self._tokens = tokens
        self._statement = Statement(select(CALLER_IS_ADMIN).select_from(gate(extensions)))

    def caller(self, token: str) -> Principal:
        """The caller that the token names. The gate, in the statement that reads for the caller, checks the session.
        Raises InvalidToken.
        """
        claims = self._tokens.verify(token)
        return Principal(claims.user_id, claims.session_id)

    async def principal(self, token: str) -> Principal:
        """The caller, whose session and account are alive now. Raises InvalidToken."""
        caller = self.caller(token)
        for (is_admin,) in await self._database.read(self._statement, caller.parameters()):
            return Principal(caller.user_id, caller.session_id, is_admin)
        raise InvalidToken
