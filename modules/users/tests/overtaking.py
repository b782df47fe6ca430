"""Another request that comes while one hashes a password."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

from httpx2 import Response

from shared.auth import Passwords


class Overtaken(Passwords):
    """Whoever hashes first is overtaken by a request, which is answered before."""

    def __init__(self, ask: Callable[[], Awaitable[Response]]) -> None:
        super().__init__(16, 1)
        self._ask = ask
        self.answer: Response | None = None

    async def hash(self, password: str) -> str:
        if self.answer is None:
            self.answer = Response(0)  # The other one hashes as well.
            self.answer = await asyncio.create_task(self._asked(), context=Context())
        return await super().hash(password)

    async def _asked(self) -> Response:
        return await self._ask()
