"""Which addresses the server may speak to: judged by tables of its own, the same under every Python."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

_V4: Final = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "an address inside a provider's network"),  # CGNAT, RFC 6598
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a cloud host's own address"),  # Azure: public by its number, answers only from inside
        ("169.254.0.0/16", "a link-local address"),  # the metadata services of clouds
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "an address for documentation"),
        ("192.88.99.0/24", "a tunnel's address"),  # 6to4 relays, RFC 7526
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "an address for benchmarks"),
        ("198.51.100.0/24", "an address for documentation"),
        ("203.0.113.0/24", "an address for documentation"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),  # and broadcast
    )
)

_V6: Final = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4 address in a form of old"),
        ("64:ff9b:1::/48", "an address of a local translation"),  # RFC 8215
        ("100::/64", "a discarded address"),
        ("2001:db8::/32", "an address for documentation"),
        ("2001::/32", "a tunnel's address"),  # Teredo
        ("2001::/23", "a reserved address"),
        ("2002::/16", "a tunnel's address"),  # 6to4
        ("3fff::/20", "an address for documentation"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a private address"),
        ("ff00::/8", "a multicast address"),
    )
)

_GLOBAL: Final = IPv6Network("2000::/3")
"""The only part of IPv6 that is handed out; everything outside it is refused, whatever it may become."""

_EMBEDDED: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""Forms that lead to the IPv4 address in their last 32 bits: IPv4-mapped, and NAT64 (RFC 6052)."""


@lru_cache(maxsize=1024)
def objection(text: str) -> str | None:
    """What speaks against connecting to an address, as a noun phrase; None: it is public.

    Args:
        text: The address as a resolver or a URL gives it.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return "no address"
    return _objection_v4(address) if isinstance(address, IPv4Address) else _objection_v6(address)


def _objection_v4(address: IPv4Address) -> str | None:
    return next((kind for network, kind in _V4 if address in network), None)


def _objection_v6(address: IPv6Address) -> str | None:
    if address.scope_id is not None:
        return "a link-local address"
    if any(address in network for network in _EMBEDDED):
        return _objection_v4(IPv4Address(int(address) & 0xFFFF_FFFF))
    for network, kind in _V6:
        if address in network:
            return kind
    if address not in _GLOBAL:
        return "a reserved address"
    if (int(address) >> 32) & 0xFDFF_FFFF == 0x0000_5EFE:
        return "a tunnel's address"  # ISATAP leads to the IPv4 address in its last 32 bits (RFC 5214)
    return None
