"""Whose request it is: proxies of ours are believed, and nobody can choose their own address."""

from typing import Any

import pytest
from pydantic import SecretStr

from shared.http.edge.forwarded import MOST_HOPS, Proxies
from shared.settings import Settings

PROXY = "10.0.0.1"
BASE: dict[str, Any] = {"DATABASE_URL": "postgresql://x/y", "secret": SecretStr("a secret for tests, 32 bytes or more")}


def proxies(header="X-Forwarded-For", believed="10.0.0.0/8, 2001:db8::/32"):
    return Proxies(Settings(**BASE, FORWARDED_ALLOW_IPS=believed, forwarded_header=header))


def headers(**values):
    return [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in values.items()]


def client(*values):
    return proxies().client(PROXY, [(b"x-forwarded-for", value.encode("latin-1")) for value in values])[0]


class TestAProxy:
    @pytest.mark.parametrize("address", ["10.255.0.1", "::ffff:10.0.0.1", "2001:db8::5", "2001:db8::5%eth0"])
    @pytest.mark.parametrize("networks", ["10.0.0.0/8, 2001:db8::/32", "::ffff:10.0.0.0/104, 2001:db8::/32"])
    def test_is_believed_when_it_is_configured(self, address, networks):
        assert proxies(believed=networks).believes(address)

    @pytest.mark.parametrize("address", ["127.0.0.1", "11.0.0.1", "2001:db9::1", "", "testclient"])
    def test_is_not_otherwise(self, address):
        assert not proxies().believes(address)

    def test_is_nobody_by_default(self):
        assert not Proxies(Settings(**BASE)).believes("127.0.0.1")


class TestTheClient:
    def test_is_the_last_one_that_is_no_proxy_of_ours(self):
        assert client("203.0.113.9") == "203.0.113.9"
        assert client("198.51.100.1, 203.0.113.9, 10.0.0.7") == "203.0.113.9"
        assert client("198.51.100.1", "203.0.113.9,10.0.0.7") == "203.0.113.9"

    def test_cannot_choose_by_what_it_has_sent_itself(self):
        """What our proxy received stands before what it has added."""
        for chosen in ("10.0.0.9", "127.0.0.1", "1.1.1.1, 10.0.0.9", '"', "unknown", "", " , ", "x" * 60_000):
            assert client(chosen + ", 203.0.113.9") == "203.0.113.9"
            assert client(chosen, "203.0.113.9") == "203.0.113.9"

    @pytest.mark.parametrize(
        ("named", "meant"),
        [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db9::1]:4711", "2001:db9::1"),
            ("2001:DB9:0::1", "2001:db9::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ],
    )
    def test_may_be_named_with_a_port_and_in_other_ways(self, named, meant):
        assert client(named) == meant

    @pytest.mark.parametrize(
        "named", ["unknown", "_hidden", "203.0.113", "", ", ", "203.0.113.9 ;", "fe80::1%x", "fe80::1%\0\n"]
    )
    def test_is_the_proxy_where_that_names_nobody(self, named):
        assert client(named) == PROXY

    def test_is_the_last_proxy_that_was_named_where_it_is_behind_that(self):
        assert client("unknown, 10.0.0.7") == "10.0.0.7"
        assert client("10.0.0.9, 10.0.0.7") == "10.0.0.9"

    def test_is_not_looked_for_without_end(self):
        assert client("203.0.113.9, " + ", ".join(["10.0.0.7"] * (MOST_HOPS + 1))) == "10.0.0.7"

    def test_is_not_told_by_the_header_that_our_proxies_do_not_set(self):
        """They would pass on what the client has sent."""
        both = headers(x_forwarded_for="203.0.113.9", forwarded="for=198.51.100.1")
        assert proxies().client(PROXY, both)[0] == "203.0.113.9"
        assert proxies("Forwarded").client(PROXY, both)[0] == "198.51.100.1"


class TestForwarded:
    """RFC 7239."""

    @pytest.mark.parametrize(
        ("value", "meant", "is_tls"),
        [
            ("for=203.0.113.9", "203.0.113.9", False),
            ('For="[2001:db9::1]:4711";Proto=HTTPS;by=10.0.0.1', "2001:db9::1", True),
            ('for="203.0.113.9, 198.51.100.1", for=192.0.2.7;proto=https, for=10.0.0.7;proto=http', "192.0.2.7", True),
            ("for=192.0.2.7;proto=http, for=10.0.0.7;proto=https", "192.0.2.7", False),
            ("for=198.51.100.1, for=unknown", PROXY, False),
            ("for=198.51.100.1, for=_hidden, for=10.0.0.7", "10.0.0.7", False),
            ("for=198.51.100.1, by=10.0.0.7", PROXY, False),
            ("for=203.0.113.9;", "203.0.113.9", False),
            (" ; for=203.0.113.9 ;; proto=https ; ", "203.0.113.9", True),
            ("for=203.0.113.9;x_y=1;!#$%&'*+.^`|~=2;proto=https", "203.0.113.9", True),
            ('ext="a\\"b;c\\\\";for="203\\.0.113.9";proto=https', "203.0.113.9", True),
            ("for=203.0.113.9, ,", "203.0.113.9", False),
            ('for="fe80::1%x"', PROXY, False),
            ('ext="a\\";for=203.0.113.9', PROXY, False),
            ("for=203.0.113.9 proto=https", PROXY, False),
            ("for=203.0.113.9;=x", PROXY, False),
            (f"for=203.0.113.9{' ' * 60_000}x", PROXY, False),
            ('for="198.51.100.1', PROXY, False),
            ("", PROXY, False),
        ],
    )
    def test_is_read_from_its_end(self, value, meant, is_tls):
        assert proxies("Forwarded").client(PROXY, headers(forwarded=value)) == (meant, is_tls)

    @pytest.mark.parametrize("added", ["for=203.0.113.9", 'for="203.0.113.9:80";proto=https'])
    @pytest.mark.parametrize(
        "sent",
        ['for=1.1.1.1;x="', 'for=1.1.1.1;x="\\', 'for="1.1.1.1', "for=1.1.1.1;", 'for=1.1.1.1,"', "for=10.0.0.9"],
    )
    def test_is_not_changed_by_a_quote_that_the_client_has_opened(self, sent, added):
        for told in (headers(forwarded=f"{sent}, {added}"), [*headers(forwarded=sent), *headers(forwarded=added)]):
            assert proxies("Forwarded").client(PROXY, told)[0] == "203.0.113.9"


class TestTls:
    @pytest.mark.parametrize(
        ("value", "is_tls"), [("https", True), ("HTTPS", True), ("http", False), ("http, https", True), ("", False)]
    )
    def test_is_told_by_the_proxy_that_is_nearest(self, value, is_tls):
        told = headers(x_forwarded_for="203.0.113.9", x_forwarded_proto=value)
        assert proxies().client(PROXY, told) == ("203.0.113.9", is_tls)
