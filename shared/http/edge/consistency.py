"""Read-your-writes over replicas: whoever has written reads what they wrote, from wherever they read.

A write is answered with its position, encrypted, as `X-Consistency`. A read that carries it sees at least that. Reads
of the session that wrote see it without: this process remembers the last positions. Another process needs the header.

Nobody reads a position in it: two of them would tell how much was written between, by whomever, and so whether a
password reset found an account.
"""

import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.auth import Needed, Principal
from shared.errors import DomainError
from shared.http.edge.headers import bearer_token
from shared.keys import Keys
from shared.wire import Sight, sight

HEADER = "x-consistency"
READS = ("GET", "HEAD", "QUERY")
MOST_SESSIONS = 10_000
"""Beyond these, what a session wrote that is not remembered is taken for a write that concerns everybody."""


class Positions:
    """The last position of each session that wrote. What nobody known wrote, such as a sign-out, concerns everybody."""

    def __init__(self) -> None:
        self._of_sessions: OrderedDict[UUID, int] = OrderedDict()
        self._of_all = 0

    def note(self, session: UUID | None, position: int) -> None:
        """The session has written."""
        if session is None:
            self._of_all = max(self._of_all, position)
            return
        self._of_sessions[session] = max(self._of_sessions.pop(session, 0), position)
        if len(self._of_sessions) > MOST_SESSIONS:
            self._of_all = max(self._of_all, self._of_sessions.popitem(last=False)[1])

    def needed(self, session: UUID | None) -> int:
        """What the session has to see."""
        return max(self._of_all, self._of_sessions.get(session, 0) if session else 0)


class ReadYourWrites:
    """Pure ASGI, where there are replicas."""

    def __init__(self, app: ASGIApp, caller: Callable[[str, Needed], Awaitable[Principal]], keys: Keys) -> None:
        """The first key encrypts; all of them decrypt. 32 bytes each."""
        self._app = app
        self._caller = caller
        self._ciphers = [AESSIV(key) for key in keys]
        self._positions = Positions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, with what it has to see in `sight`. Health is the primary's."""
        headers = Headers(scope=scope)
        session = await self._session(headers)
        is_read = scope["method"] in READS and not scope["path"].startswith("/health/")
        seen = Sight(self._needed(headers, session) if is_read else None)

        async def answer(message: Message) -> None:
            if seen.written and message["type"] == "http.response.start":
                self._positions.note(session, seen.written)  # Before anybody can act on the answer.
                MutableHeaders(scope=message)[HEADER] = self.header(seen.written)
            await send(message)

        given = sight.set(seen)
        try:
            await self._app(scope, receive, answer)
        finally:
            sight.reset(given)

    def header(self, position: int) -> str:
        """The header for a position: AES-SIV (RFC 5297), which has no nonce that many writes would use up."""
        return base64.urlsafe_b64encode(self._ciphers[0].encrypt(position.to_bytes(8), None)).decode()

    def _needed(self, headers: Headers, session: UUID | None) -> int | None:
        """The primary has everything, so what we did not make is answered from there."""
        given = headers.get(HEADER)
        needed = self._positions.needed(session)
        if given is None:
            return needed
        position = self._position(given)
        return None if position is None else max(needed, position)

    def _position(self, header: str) -> int | None:
        for cipher in self._ciphers:
            with suppress(ValueError, InvalidTag):
                return int.from_bytes(cipher.decrypt(base64.b64decode(header, altchars=b"-_", validate=True), None))
        return None

    async def _session(self, headers: Headers) -> UUID | None:
        token = bearer_token(headers)
        with suppress(DomainError):  # It is told by who asks next.
            return (await self._caller(token, frozenset())).session_id if token else None
        return None
