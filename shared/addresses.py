"""Addresses of clients: which networks they are in, and what one client may have all of."""

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_in(text: str) -> Address | None:
    """The address, perhaps with a port, that a proxy names; None when it is none. IPv4 within IPv6 is IPv4. One with a
    zone, in which any characters may be, tells of no client: it has a meaning on the proxy's machine alone.
    """
    host = text.strip(" \t")
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    if "%" in host:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def network_in(text: str) -> Network:
    """The network that a setting names. IPv4 within IPv6 is IPv4, as it is of an address. Raises ValueError."""
    found = ipaddress.ip_network(text)
    if found.version == 6 and found.prefixlen >= _MAPPED.prefixlen and found.subnet_of(_MAPPED):
        within = int(found.network_address) & 0xFFFFFFFF
        return ipaddress.IPv4Network((within, found.prefixlen - _MAPPED.prefixlen))
    return found


_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


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
