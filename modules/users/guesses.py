"""Guesses: wrong passwords are counted, and the more there were, the longer the next one has to wait.

Nobody is ever locked out for good, or anybody could lock anybody out (OWASP ASVS 6.1.1, 6.3.1; NIST SP 800-63B §5.2.2
wants at most 100 failures in a row for an account, which is about what a day of guessing comes to here). An attempt
counts as a failure before the password is looked at, and is taken back when it was none: parallel guesses are counted
like others. A right password within the wait is not looked at either; the answer would tell that it is right.
"""

import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from modules.users.errors import TooManyAttempts, TooManyMails, TooManyRegistrations
from modules.users.failures import FailureRepository
from shared.addresses import place_of
from shared.errors import TooManyRequests
from shared.keys import Keys
from shared.writes import Change

LONGEST = 900.0
"""Seconds to wait at the most: a guesser has 96 tries a day, and the owner is back soon after they gave up."""


@dataclass(frozen=True)
class Limit:
    """So many failures are free; after them a try waits 1 s since the last one, then 2 s, 4 s and so on."""

    free: int
    fade: float
    """Seconds in which one failure is forgotten."""
    longest: float = LONGEST

    def present(self, failures: float, age: float) -> float:
        """What is left of the failures after so many seconds."""
        return max(0.0, failures - age / self.fade)

    def wait(self, failures: float, age: float) -> float:
        """Seconds until the next try is let through; none when that is now."""
        level = self.present(failures, age)
        return 0.0 if level + 1 <= self.free else min(2.0 ** (level - self.free), self.longest) - age

    def with_another(self, failures: float, age: float) -> float:
        """The failures with this one, and no more than make for the longest wait: so all are forgotten within hours."""
        return min(self.present(failures, age) + 1, self.free + math.log2(self.longest) + 1)


ACCOUNT = Limit(free=5, fade=1800)
KNOWN_PLACE = Limit(free=10, fade=1800)
"""For an account at an address from which it signed in lately: that one is not kept out by the guesses of others."""
ADDRESS = Limit(free=100, fade=60)
"""An office of a thousand behind one address mistypes some hundred times in its first hour."""
CODE = ACCOUNT
"""For the codes of an account's second factor at places that are not known: there are but a million of them."""
MAILBOX = ACCOUNT
"""For mails that anybody may have sent to somebody."""
SHARDS = 16
SHARD = Limit(free=64, fade=SHARDS, longest=SHARDS)
"""Of all guesses together, by many addresses at many accounts (credential stuffing): a thousand at once, and then one a
second. Each account is in one of the parts, so that not all sign-ins wait for the lock of one row.
"""


class Guesses:
    """Decides whether a password may be looked at, and counts."""

    def __init__(self, failures: FailureRepository, keys: Keys, registrations_per_hour: int) -> None:
        self._failures = failures
        self._keys = keys
        self._registrations = Limit(free=registrations_per_hour, fade=3600 / registrations_per_hour)

    async def judged(self, account: str, address: str, matches: Callable[[], Awaitable[bool]]) -> bool:
        """What `matches` says of a password. Raises TooManyAttempts before that is asked.

        `account` is the folded e-mail address, whether or not there is such an account; `address` is the client's.
        """
        limits = await self._limits(account, address)
        await self._count(limits)
        try:
            is_right = await matches()
        except Exception:  # Such as that there is no room for it just now.
            await self._take_back(limits)
            raise
        if is_right and KNOWN_PLACE in limits.values():
            # Who knows it was not guessing (NIST SP 800-63B §5.2.2). Also what could not be taken back is over so.
            async with self._failures.held([*limits], are_known=True) as held:
                await held.forget()
        elif is_right:
            await self._take_back(limits)
        return is_right

    async def count_registration(self, email: str, address: str) -> None:
        """Count one, by the client's address and in all, whatever becomes of it: a refusal tells who has an account.
        Raises TooManyRegistrations.
        """
        limits: dict[bytes, Limit] = {}
        for key in self._keys:
            shard = digest(key, "registrations shard", str(digest(key, "email", email)[0] % SHARDS))
            limits |= {digest(key, "registrations", place_of(address)): self._registrations, shard: SHARD}
        await self._count(limits, TooManyRegistrations)

    async def count_mail(self, mailbox: str, address: str | None) -> None:
        """Count a mail that somebody asks for, to a mailbox, which is a folded address or an account; by that, by the
        client's address and in all. The client's is None where it is counted otherwise, and then that limit alone
        holds. Raises TooManyMails.
        """
        limits: dict[bytes, Limit] = {}
        for key in self._keys:
            to = digest(key, "mailbox", mailbox)
            shard = digest(key, "mails shard", str(to[0] % SHARDS))
            limits |= {to: MAILBOX, shard: SHARD}
            if address is not None:
                limits[digest(key, "mails", place_of(address))] = ADDRESS
        await self._count(limits, TooManyMails)

    async def count_code(self, account: str, address: str) -> list[bytes]:
        """Count a try of a second factor's code, by who knows the password: under what it is counted. At a known place
        it is that place's, as a password is: the owner is not kept out by who tries codes elsewhere. Raises
        TooManyAttempts.
        """
        at_place = await self.knows(account, address)
        where, limit = ([place_of(address)], KNOWN_PLACE) if at_place else ([], CODE)
        limits = {digest(key, "code", account, *where): limit for key in self._keys}
        await self._count(limits)
        return [*limits]

    async def forget_codes(self, change: Change, counted: Sequence[bytes]) -> None:
        """The code was right: none is counted under these any more, if the change is kept."""
        await self._failures.forget(change, counted)

    async def knows(self, account: str, address: str) -> bool:
        """Whether the account signed in from there lately."""
        return await self._failures.knows(self._places(account, address))

    async def remember(self, change: Change, account: str, address: str) -> None:
        """The account has signed in from there."""
        await self._failures.remember(change, self._places(account, address)[0])

    def _places(self, account: str, address: str) -> list[bytes]:
        return [digest(key, "place", account, place_of(address)) for key in self._keys]

    async def _limits(self, account: str, address: str) -> dict[bytes, Limit]:
        known = self._places(account, address)
        if await self._failures.knows(known):
            return dict.fromkeys(known, KNOWN_PLACE)
        limits: dict[bytes, Limit] = {}
        for key in self._keys:  # A replica that has another secret yet counts as well.
            of_account = digest(key, "account", account)
            shard = digest(key, "shard", str(of_account[0] % SHARDS))
            limits |= {of_account: ACCOUNT, digest(key, "address", place_of(address)): ADDRESS, shard: SHARD}
        return limits

    async def _count(self, limits: dict[bytes, Limit], refusal: type[TooManyRequests] = TooManyAttempts) -> None:
        async with self._failures.held([*limits], are_known=KNOWN_PLACE in limits.values()) as held:
            wait = max(limits[key].wait(failures, age) for key, failures, age in held.counts)
            if wait > 0:
                raise refusal(retry_after=math.ceil(wait))
            await held.keep({key: limits[key].with_another(failures, age) for key, failures, age in held.counts})

    async def _take_back(self, limits: dict[bytes, Limit]) -> None:
        async with self._failures.held([*limits], are_known=KNOWN_PLACE in limits.values()) as held:
            await held.take_back()


def digest(key: bytes, kind: str, *parts: str) -> bytes:
    """Under what is counted."""
    return hmac.digest(key, "\0".join((kind, *parts)).encode(), hashlib.sha256)
