"""A crowd of sign-ins, more than there is room for: those go on who signed in from there before, others are refused.

A flood that had the database asked about each of its strangers would take what others need. So it is asked about a few
at a time; those whom this process has seen are let in without.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from modules.users.guesses import Guesses
from shared.addresses import place_of
from shared.auth import Passwords, TooManySignIns

AT_ONCE = 2
"""Strangers about whom the database is asked at once."""
REMEMBERED = 10_000
"""Who was seen last: some megabytes at the most."""


class Crowd:
    """Decides who goes on when not all can."""

    def __init__(self, passwords: Passwords, guesses: Guesses) -> None:
        self._passwords = passwords
        self._guesses = guesses
        self._asking = 0
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        """E-mail addresses as they were sent, and the places of their clients. To be here opens the door, and nothing
        else: what is counted, and what is right, the database says."""

    @contextmanager
    def at_the_door(self, email: str, address: str) -> Iterator[None]:
        """While it is found out who somebody is. Raises TooManySignIns for a stranger who is not asked about now."""
        is_asked_about = self._passwords.is_crowded and (email, place_of(address)) not in self._seen
        if is_asked_about and self._asking >= AT_ONCE:
            raise TooManySignIns
        self._asking += is_asked_about
        try:
            yield
        finally:
            self._asking -= is_asked_about

    async def demand_room(self, account: str, address: str) -> None:
        """Raises TooManySignIns in a crowd for an account that did not sign in from there lately."""
        if self._passwords.is_crowded and not await self._guesses.knows(account, address):
            raise TooManySignIns

    def remember(self, email: str, address: str) -> None:
        """Somebody has signed in."""
        key = email, place_of(address)
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
