"""How much a client may ask: token buckets, one a credential, and one an address for requests without a valid one.

A bucket holds `units`, and is full again `seconds` after it was empty. A request is refused when there is not one unit
left. What it costs beyond that is taken once it is known, also where too little is left: then the client waits for
longer. The fields of answers are those of draft-ietf-httpapi-ratelimit-headers-11.

Of the library `limits`, no strategy is a token bucket, and one takes 5 µs to decide and to tell, a tenth of a GET.
"""

import math
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from time import monotonic
from typing import Any

from pydantic import BaseModel, Field

from shared.addresses import place_of
from shared.auth import Principal
from shared.errors import TooManyRequests, Unauthenticated
from shared.http.edge.headers import Fields, bearer_in, value_of
from shared.settings import Settings

CREDENTIAL, ADDRESS = POLICIES = ("credential", "address")
"""The names of the policies."""
LIMIT = "limit"
"""The key in a request's state under which its Charge is."""
MOST_CLIENTS = 100_000
"""Clients of each kind that are remembered at the least; never more than twice as many."""
_ROUNDING = 1e-6


class ViolatedPolicies(BaseModel):
    """What this problem tells beside all that a problem has."""

    violated: Sequence[str] = Field(
        alias="violated-policies",
        description="The policies in `RateLimit-Policy` whose quota is used up.",
        examples=[["credential"]],
    )


class QuotaExceeded(TooManyRequests):
    """You have asked as much as one client may for the moment. Wait for as many seconds as `Retry-After` says."""

    document = ViolatedPolicies

    def __init__(self, policy: str, retry_after: int) -> None:
        super().__init__(retry_after=retry_after)
        self.members = {"violated-policies": [policy]}


class Buckets:
    """The buckets of one policy.

    Of each, one number is kept: when it will be full again (GCRA). Who has not asked for two windows has a full one, so
    those who did not ask in the last two turns are forgotten. When very many come, turns are shorter.
    """

    def __init__(self, policy: str, units: int, seconds: int) -> None:
        self.policy = policy
        self.units = units
        self.window = float(seconds)
        self.step = seconds / units
        """Seconds in which a unit comes back."""
        self.policy_field = (b"ratelimit-policy", f'"{policy}";q={units};w={seconds}'.encode())
        self.limit_format = f'"{policy}";r=%d;t=%d'.encode()
        self._full_at: dict[Hashable, float] = {}
        self._before: dict[Hashable, float] = {}
        """Of the turn before."""
        self._turns_at = 0.0

    def full_at(self, client: Hashable, now: float) -> float:
        """When the client's bucket will be full again, if it asks for nothing more; `now` if it is."""
        kept = self._full_at.get(client)
        if kept is None:
            kept = self._before.get(client, now)
        return max(now, kept)

    def keep(self, client: Hashable, full_at: float, now: float) -> None:
        """Remember when it will be full."""
        if now > self._turns_at or len(self._full_at) >= MOST_CLIENTS:
            self._before, self._full_at = self._full_at, {}
            self._turns_at = now + 2 * self.window
        self._full_at[client] = full_at


class Charge:
    """What a request costs its client."""

    __slots__ = ("_buckets", "_client", "is_refused")

    def __init__(self, buckets: Buckets, client: Hashable) -> None:
        """It costs one unit, or nothing where there is none left."""
        self._buckets = buckets
        self._client = client
        self.is_refused = False
        """Whether there was no unit left."""
        now = monotonic()
        full_at = buckets.full_at(client, now) + buckets.step
        if full_at > now + buckets.window + _ROUNDING:
            self.is_refused = True
        else:
            buckets.keep(client, full_at, now)

    @property
    def policy(self) -> str:
        """The name of the policy."""
        return self._buckets.policy

    @property
    def retry_after(self) -> int:
        """Seconds until there is a unit for another request, at least 1."""
        return self._wait(monotonic())

    def spend(self, units: int) -> None:
        """The request costs so much more. Nothing costs more than a full bucket, or nobody could afford a large import,
        and no wait is longer than two windows.
        """
        buckets, now = self._buckets, monotonic()
        full_at = buckets.full_at(self._client, now) + buckets.step * min(units, buckets.units)
        buckets.keep(self._client, min(full_at, now + 2 * buckets.window), now)

    def fields(self) -> Fields:
        """`RateLimit` and `RateLimit-Policy`. For `t` seconds, the units that are left last at the pace at which they
        come back: who divides the one by the other asks no faster than that (draft 11 §8.5).
        """
        buckets, now = self._buckets, monotonic()
        left = int((buckets.window - (buckets.full_at(self._client, now) - now)) / buckets.step + _ROUNDING)
        if left > 0 and not self.is_refused:
            return buckets.policy_field, (b"ratelimit", buckets.limit_format % (left, math.ceil(left * buckets.step)))
        return buckets.policy_field, (b"ratelimit", buckets.limit_format % (0, self._wait(now)))

    def _wait(self, now: float) -> int:
        buckets = self._buckets
        return max(1, math.ceil(buckets.full_at(self._client, now) + buckets.step - buckets.window - now))


class Limits:
    """The limits of a server: its part of those of all servers."""

    def __init__(self, settings: Settings, known: Callable[[str], Principal]) -> None:
        """`known` gives the caller that a token names, or raises Unauthenticated: at once, without asking anybody."""
        self._credentials = _buckets(CREDENTIAL, settings.credential_limit, settings.servers)
        self._addresses = _buckets(ADDRESS, settings.address_limit, settings.servers)
        self._known = known
        # A token comes with many requests. Whether it has expired, the endpoint finds out.
        self._credential_of = lru_cache(maxsize=10_000)(self._known_credential)

    def charge(self, scope: Mapping[str, Any]) -> Charge | None:
        """Charge a request, once; None where there is no limit."""
        state: MutableMapping[str, Any] = scope["state"]
        if LIMIT not in state:
            state[LIMIT] = self._charge(scope)
        charge: Charge | None = state[LIMIT]
        return charge

    def _charge(self, scope: Mapping[str, Any]) -> Charge | None:
        authorization = value_of(scope["headers"], b"authorization")
        if authorization:
            try:
                credential = self._credential_of(authorization)
            except Unauthenticated:
                pass
            else:
                return None if self._credentials is None else Charge(self._credentials, credential)
        if self._addresses is None:
            return None
        client = scope.get("client")
        return Charge(self._addresses, place_of(client[0]) if client else "")

    def _known_credential(self, authorization: bytes) -> int:
        """Names the session or key. Raises Unauthenticated."""
        token = bearer_in(authorization.decode("latin-1"))
        if token is None:
            raise Unauthenticated
        caller = self._known(token)
        return (caller.session_id or caller.user_id).int


def charge_more(state: Mapping[str, Any], units: int) -> None:
    """The request of this state costs so many units more."""
    charge: Charge | None = state.get(LIMIT)
    if charge is not None and units > 0:
        charge.spend(units)


def _buckets(policy: str, limit: str, servers: int) -> Buckets | None:
    if limit == "off":
        return None
    units, seconds = map(int, limit.split("/"))
    return Buckets(policy, max(1, units // servers), seconds)
