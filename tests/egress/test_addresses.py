"""Addresses are judged by what they lead to, in every form they have."""

from __future__ import annotations

import pytest

from orchestrator_lite.egress.addresses import objection

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
    *("126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0"),
    *("192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888", "2400:cb00::1"),
    *("::ffff:8.8.8.8", "::ffff:0808:0808", "64:ff9b::8.8.8.8"),
]

FORBIDDEN = {
    "a loopback address": ["127.0.0.1", "127.0.0.0", "127.255.255.255", "127.1.2.3", "::1", "0:0:0:0:0:0:0:1"],
    "a private address": [
        *("10.0.0.0", "10.1.2.3", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
        *("fc00::1", "fd00:ec2::254", "fdff::1", "fec0::1"),
    ],
    "a link-local address": ["169.254.0.1", "169.254.169.254", "fe80::1", "febf::1", "fe80::1%eth0", "2600::1%1"],
    "an address inside a provider's network": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "a multicast address": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "a reserved address": ["240.0.0.1", "255.255.255.255", "192.0.0.192", "2001:20::1", "4000::1", "5f00::1", "e000::"],
    "an unspecified address": ["0.0.0.0", "0.1.2.3", "::"],
    "an address for documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "an address for benchmarks": ["198.18.0.1", "198.19.255.255"],
    "a cloud host's own address": ["168.63.129.16"],
    "a tunnel's address": [
        *("2002:7f00:1::1", "2002:0808:0808::1", "2001::1", "2001:0:7f00:1::", "192.88.99.1"),
        *("2600::5efe:7f00:1", "2600::200:5efe:808:808"),
    ],
    "an IPv4 address in a form of old": ["::127.0.0.1", "::8.8.8.8", "::a00:1"],
    "an address of a local translation": ["64:ff9b:1::7f00:1"],
    "a discarded address": ["100::1"],
    "no address": ["", "localhost", "127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1 ", "[::1]", "1.2.3.4.5"],
}
EMBEDDED = {
    "a loopback address": ["127.0.0.1"],
    "a private address": ["10.0.0.1", "172.16.0.1", "192.168.1.1"],
    "a link-local address": ["169.254.169.254"],
    "an address inside a provider's network": ["100.64.0.1"],
    "a multicast address": ["224.0.0.1"],
    "an unspecified address": ["0.0.0.0"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address):
    assert objection(address) is None


@pytest.mark.parametrize(("kind", "address"), [(kind, one) for kind, several in FORBIDDEN.items() for one in several])
def test_others_are_named(kind, address):
    assert objection(address) == kind


@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
@pytest.mark.parametrize(("kind", "inner"), [(kind, one) for kind, several in EMBEDDED.items() for one in several])
def test_an_ipv4_address_inside_an_ipv6_one_is_judged(prefix, kind, inner):
    assert objection(prefix + inner) == kind
