"""Whose request it is: the address and the scheme of the client, as the proxies in front tell it.

Each proxy adds the address that it was called from at the end of a header. So the header is read from its end, for as
long as those named are proxies of ours: the first one that is none is the client, and whatever stands before it, the
client may have written.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from shared.addresses import Address, address_in, network_in
from shared.http.edge.headers import RawHeaders
from shared.settings import Settings

MOST_HOPS = 16
"""Proxies that are believed in a row."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PAIR = re.compile(rf'[ \t]*(?:({_NAME})=({_QUOTED}|[^" \t;]*)[ \t]*)?(?:;|\Z)')


class Proxies:
    """The proxies that are believed."""

    def __init__(self, settings: Settings) -> None:
        self._networks = [network_in(name) for name in (settings.proxies or "").split(",") if name]
        self._tells = self._in_forwarded if settings.forwarded_header == "Forwarded" else self._in_x_forwarded
        self._is_ours = lru_cache(maxsize=1000)(self._is_in_networks)

    def believes(self, address: str) -> bool:
        """Whether a connection from there is a proxy's."""
        # A socket's address within a link has its zone.
        found = address_in(address.partition("%")[0]) if self._networks else None
        return found is not None and self._is_ours(found)

    def client(self, proxy: str, headers: RawHeaders) -> tuple[str, bool]:
        """The client's address, and whether it uses TLS, by the headers of a request from this proxy of ours. Where
        these do not tell, the address is that of the last proxy that was named.
        """
        last, is_tls = proxy, False
        for hop, (address, proto) in enumerate(self._tells(headers)):
            is_tls = proto == "https"
            if address is None:
                break
            last = str(address)
            if hop == MOST_HOPS or not self._is_ours(address):
                break
        return last, is_tls

    def _is_in_networks(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    @staticmethod
    def _in_x_forwarded(headers: RawHeaders) -> Iterator[tuple[Address | None, str]]:
        """The addresses from the last one on. Of schemes there is one, from the proxy that is nearest."""
        scheme = next(_from_the_end(headers, b"x-forwarded-proto"), "").strip().lower()
        addresses = _from_the_end(headers, b"x-forwarded-for")
        yield address_in(next(addresses, "")), scheme
        for named in addresses:
            yield address_in(named), scheme

    @staticmethod
    def _in_forwarded(headers: RawHeaders) -> Iterator[tuple[Address | None, str]]:
        """The elements from the last one on (RFC 7239 §4). Each ends at a comma, within quotes, too: a quote that the
        client has opened must not change what a proxy has added behind it, and no address has a comma.
        """
        for element in _from_the_end(headers, b"forwarded"):
            pairs = _pairs_of(element)
            yield address_in(pairs.get("for", "")), pairs.get("proto", "").lower()


def _pairs_of(element: str) -> dict[str, str]:
    """The values of an element's parameters, of which some may be empty; none of an element that is malformed."""
    pairs, place = {}, 0
    while place < len(element):
        match = _PAIR.match(element, place)
        if match is None:
            return {}
        name, value, place = match[1], match[2], match.end()
        if name is not None:
            pairs[name.lower()] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
    return pairs


def _from_the_end(headers: RawHeaders, name: bytes) -> Iterator[str]:
    """The elements of a field that may have several lines, from the last one on, without empty ones."""
    rest = b",".join(value for own, value in headers if own == name).decode("latin-1")
    while rest:
        rest, _, last = rest.rpartition(",")
        if last.strip(" \t"):
            yield last
