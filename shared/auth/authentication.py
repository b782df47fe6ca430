"""Authentication: from a bearer token to the principal whose session is alive."""

from sqlalchemy import Select

from shared.auth.principal import Principal
from shared.auth.tokens import AccessTokens, InvalidToken
from shared.extensions import ExtensionPoint, Extensions
from shared.persistence.database import Database

live_sessions: ExtensionPoint[Select[bool]] = ExtensionPoint("auth.live_sessions")
"""The statement that finds the session `:session_id` of the account `:user_id` as long as both are good, and tells
whether the account is an administrator. The module that owns accounts contributes it."""


class Authenticator:
    """Tells who calls. A signature alone is not enough: a session that ended fails on its next request."""

    def __init__(self, database: Database, tokens: AccessTokens, extensions: Extensions) -> None:
        self._database = database
        self._tokens = tokens
        self._statements = extensions[live_sessions]

    async def authenticate(self, token: str) -> Principal:
        """The principal of this access token. Raises InvalidToken."""
        claims = self._tokens.verify(token)
        parameters = {"session_id": claims.session_id, "user_id": claims.user_id}
        async with self._database.reading() as connection:
            for statement in self._statements:
                is_admin: bool | None = (await connection.execute(statement, parameters)).scalar_one_or_none()
                if is_admin is not None:
                    return Principal(claims.user_id, claims.session_id, is_admin)
        raise InvalidToken
