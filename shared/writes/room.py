"""How much is kept for one account under idempotency keys."""

from collections import OrderedDict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Interval, Select, Uuid, bindparam, cast, column, func, select, table

from shared.errors import TooManyRequests
from shared.wire import Run, Statement

LOOKS = 16
"""A process looks at what is kept when it has kept this part of the quota since it last did: summing up takes
a millisecond for some thousands of answers. The quota is exact to that part, in each process.
"""
MOST_ACCOUNTS = 10_000
HOUR = 3600
OVERHEAD = 500
"""Bytes that a row takes beside the content: headers, permissions, key."""


class TooMuchKept(TooManyRequests):
    """More answers are kept under your idempotency keys than one may have. Each is kept for 24 hours. Use no keys where
    you need none, or ask for `Prefer: return=minimal`.
    """


class Room:
    """For the answers of each account."""

    def __init__(self, most: int, lifetime: timedelta) -> None:
        """`most` is in bytes. What is older than the lifetime does not count."""
        self._most = most
        self._kept = Statement(_kept(lifetime))
        self._since_look: OrderedDict[UUID, int] = OrderedDict()
        """Bytes that this process has kept since it last looked, or began to."""

    async def demand(self, run: Run, account: UUID, size: int) -> None:
        """There is room for so many bytes more. Raises TooMuchKept."""
        since = self._since_look.pop(account, 0) + size + OVERHEAD
        if since * LOOKS > self._most:
            ((kept,),) = await run(self._kept, {"scope": account})
            if kept + size > self._most:
                self._since_look[account] = since  # The next one looks again.
                raise TooMuchKept(retry_after=HOUR)
            since = 0
        self._since_look[account] = since
        if len(self._since_look) > MOST_ACCOUNTS:
            self._since_look.popitem(last=False)


def _kept(lifetime: timedelta) -> Select[int]:
    answers = table("idempotency_keys", *map(column, ("scope", "at", "content")))
    size = func.octet_length(answers.c.content) + OVERHEAD
    return select(func.coalesce(func.sum(size), 0)).where(
        answers.c.scope == bindparam("scope", type_=Uuid()),
        answers.c.at > func.now() - cast(lifetime, Interval()),
    )
