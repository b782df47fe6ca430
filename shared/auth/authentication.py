"""Authentication: from a bearer token to the principal whose session is alive."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, false, select

from shared.auth.principal import CALLER_IS_ADMIN, Principal
from shared.auth.tokens import AccessTokens, InvalidToken
from shared.extensions import ExtensionPoint, Extensions
from shared.wire import Database, Statement

live_sessions: ExtensionPoint[Select[bool]] = ExtensionPoint("auth.live_sessions")
"""The statement that finds the session `:session_id` of the account `:caller_id` as long as both are good, and gives
`is_admin`. The module that owns accounts contributes it."""


@dataclass(frozen=True)
class Claimant:
    """Who an access token that verifies says is calling. Whether the session is alive, the statement that reads for
    them tells: its FROM has the gate.
    """

    user_id: UUID
    session_id: UUID

    def parameters(self) -> dict[str, Any]:
        """The values of the caller in a statement behind the gate."""
        return {"caller_id": self.user_id, "session_id": self.session_id}


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

    def claimant(self, token: str) -> Claimant:
        """Who the token says is calling. Raises InvalidToken."""
        claims = self._tokens.verify(token)
        return Claimant(claims.user_id, claims.session_id)

    async def principal(self, token: str) -> Principal:
        """Who is calling, session and account being alive now. Raises InvalidToken."""
        claimant = self.claimant(token)
        for (is_admin,) in await self._database.read(self._statement, claimant.parameters()):
            return Principal(claimant.user_id, claimant.session_id, is_admin)
        raise InvalidToken
