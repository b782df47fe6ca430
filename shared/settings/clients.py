"""Settings about clients: whose word is taken for their address, which web pages may call, and how much one may ask."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from shared.addresses import network_in
from shared.settings.variables import KERNEL

YEAR = 366 * 86_400
Number = Annotated[int, Field(gt=0, le=1_000_000)]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
"""What browsers send in `Origin` (RFC 6454 §6.2): in small letters, and no port where it is the scheme's own."""
_OWN_PORTS = {"http": "80", "https": "443"}
_LIMIT = re.compile(r"off|[1-9][0-9]{0,8}/[1-9][0-9]{0,4}")


def _per_credential(known: dict[str, Any]) -> str:
    return "60000/10" if known.get("environment") == "production" else "off"


def _per_address(known: dict[str, Any]) -> str:
    return "20000/10" if known.get("environment") == "production" else "off"


class ClientSettings(BaseSettings):
    """What is believed of clients, and what each may have."""

    model_config = KERNEL

    proxies: str | None = Field(None, validation_alias="FORWARDED_ALLOW_IPS")
    """The addresses and networks of your proxies, separated by commas: only these are believed when they name a
    client's address. Behind another one, all clients count as one address."""
    forwarded_header: Literal["X-Forwarded-For", "Forwarded"] = "X-Forwarded-For"
    """The header in which they do; of the other one, a proxy might pass on what the client has sent. `Forwarded` is RFC
    7239's. Beside `X-Forwarded-For`, `X-Forwarded-Proto` tells whether the client uses TLS."""
    hsts_seconds: int = Field(YEAR, ge=0, le=10 * YEAR)
    """How long a browser that came by TLS comes by nothing else (`Strict-Transport-Security`, of subdomains as well);
    0 does not ask for it. Sent when a proxy says that the client uses TLS (RFC 6797 §7.2)."""
    cors_origins: str | None = None
    """The origins of web pages that may call the API from browsers, separated by blanks, such as
    `https://app.example.com`. Pages of others cannot read its answers."""

    credential_limit: str = Field(default_factory=_per_credential)
    """How much one session or API key may ask, as units and seconds: `1000/10` is 1,000 units at once, and 100 more a
    second. Most requests cost one, a batch what its operations do, an import its lines, a change of all that match
    ten. By default `60000/10` in production, and in development `off`: no limit."""
    address_limit: str = Field(default_factory=_per_address)
    """The same for all requests without a valid credential from one address; by default `20000/10` in production. What
    hashes a password, such as a sign-in, costs ten."""
    servers: Number = 1
    """How many servers share the load: each admits its part of these limits."""

    imports_per_account: Number = 2
    """Imports of one account at once in a server, those included that are still being received."""
    exports_per_account: Number = 2
    """Exports of one account at once in a server."""
    idempotency_bytes_per_account: int = Field(64 << 20, ge=1 << 20, le=1 << 40)
    """Of answers that are kept for one account under idempotency keys, for 24 hours each."""

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, value: str | None) -> str | None:
        names = [name for name in re.split(r"[\s,]+", value or "") if name]
        if "*" in names:
            raise ValueError("is *, but then any client could say what address it has: name your proxies")
        for name in names:
            try:
                network = network_in(name)
            except ValueError:
                raise ValueError("has to be addresses or networks, such as 10.0.0.0/8, separated by commas") from None
            if network.prefixlen == 0:
                raise ValueError(f"names {name}, but then any client could say what address it has: name your proxies")
        return ",".join(names) or None

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str | None) -> str | None:
        origins = (value or "").split()
        for origin in origins:
            found = _ORIGIN.fullmatch(origin)
            if found is None or int(found[1] or 1) > 65_535 or found[1] == _OWN_PORTS.get(origin.partition(":")[0]):
                raise ValueError(
                    "has to be origins as browsers send them, such as https://app.example.com, separated by blanks: "
                    "scheme and host in small letters, a port where it is not the scheme's own, and no wildcard"
                )
        return " ".join(origins) or None

    @field_validator("credential_limit", "address_limit")
    @classmethod
    def _is_a_limit(cls, value: str) -> str:
        if _LIMIT.fullmatch(value) is None:
            raise ValueError("has to be units and seconds, such as 1000/10, or off")
        return value
