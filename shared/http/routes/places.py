"""Places for what takes long: each account has some of its own, so that none can take those of the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from shared.errors import TooManyRequests


class Places:
    """So many for each account."""

    def __init__(self, each: int, refusal: str, retry_after: int) -> None:
        """`refusal` is the sentence for who wants more, `retry_after` the seconds after which they may have it."""
        self._each = each
        self._refusal = refusal
        self._retry_after = retry_after
        self._taken: Counter[UUID] = Counter()

    @contextmanager
    def taken_by(self, account: UUID) -> Iterator[None]:
        """A place. Raises TooManyRequests."""
        if self._taken[account] >= self._each:
            raise TooManyRequests(self._refusal, retry_after=self._retry_after)
        self._taken[account] += 1
        try:
            yield
        finally:
            self._taken[account] -= 1
            if not self._taken[account]:
                del self._taken[account]
