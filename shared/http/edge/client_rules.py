"""What holds for a client, whatever it asks: how much that may be, and what a browser is told.

The server asks for it before the gate, and the application again, where there is another server.
"""

from collections.abc import Callable, Mapping
from typing import Any

from shared.auth import Principal
from shared.http.edge.forwarded import Proxies
from shared.http.edge.headers import Fields
from shared.http.edge.limits import LIMIT, Charge, Limits
from shared.http.edge.origins import Origins
from shared.observing import Watch
from shared.settings import Settings

_HSTS = b"strict-transport-security"


class ClientRules:
    """Of one application."""

    def __init__(
        self, settings: Settings, known: Callable[[str], Principal], is_urgent: Callable[[str, str], bool], watch: Watch
    ) -> None:
        """`known` gives the caller that a token names, where that can be told at once. `is_urgent` tells, by method and
        path, what is served whatever else there is to do. Refusals are told to `watch`.
        """
        self.proxies = Proxies(settings)
        self.origins = Origins(settings)
        self._limits = Limits(settings, known)
        self._is_urgent = is_urgent
        self._watch = watch
        self._hsts = (_HSTS, f"max-age={settings.hsts_seconds}; includeSubDomains".encode())  # ASVS 3.4.1
        self._is_strict = settings.hsts_seconds > 0

    def is_urgent(self, scope: Mapping[str, Any]) -> bool:
        """Whether the request is served even when the server is overloaded. A preflight costs little, and without it
        the browser does not ask for anything.
        """
        return self._is_urgent(scope["method"], scope["path"]) or self.origins.is_preflight(scope)

    def charge(self, scope: Mapping[str, Any]) -> Charge | None:
        """Charge the request, once; None where there is no limit. Browsers send preflights of their own accord."""
        if scope["method"] == "OPTIONS" and self.origins.is_preflight(scope):
            return None
        return self._limits.charge(scope)

    def exceeded(self, scope: Mapping[str, Any]) -> Charge | None:
        """The charge of a request that is refused, because its client has asked too much."""
        charge = self.charge(scope)
        if charge is None or not charge.is_refused or self._is_urgent(scope["method"], scope["path"]):
            return None
        return charge

    def count_refused(self, charge: Charge) -> None:
        """The request was refused."""
        self._watch.limited[charge.policy] += 1

    def fields(self, scope: Mapping[str, Any]) -> Fields:
        """What every answer to this request has, errors and those of the server itself included."""
        found = self.origins.fields(scope["headers"])
        if self._is_strict and scope.get("scheme") == "https":
            found = (*found, self._hsts)
        charge: Charge | None = scope["state"].get(LIMIT)
        return found if charge is None else found + charge.fields()
