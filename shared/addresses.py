"""Addresses of clients: which networks they are in, and what one client may have all of."""

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_in(text: str) -> Address | None:
    """The address, perhaps with a port, that a proxy names; None when it is none. IPv4 within IPv6 is IPv4."""
    host = text.strip(" \t")
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=10_000)
def place_of(address: str) -> str:
    """Where an address is: of IPv6 the network of 64 bits, of which one client has all (RFC 6177)."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # A Unix socket.
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))
    return str(ip)
