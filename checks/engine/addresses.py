"""Which addresses may be asked or probed. Pure; the one place that knows.

A name a customer typed must not lead us into our own network, so only globally routable unicast
addresses are allowed, and those an operator named as exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

Address = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

# RFC 6890 and the IANA registries of special-purpose addresses, multicast, and one cloud's metadata
# service that lives on a public address. The other clouds' lie in link-local, CGNAT or ULA space.
_REFUSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
)
_6TO4 = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")

# A public address is probed on mail and directory ports only; an exception's on any.
PROBE_PORTS = frozenset({25, 465, 587, 636})


def parse_address(text: str) -> Address | None:
    """Read an address in its one canonical spelling: no octal, hex, or short forms."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def embedded_ipv4(address: Address) -> Address:
    """The IPv4 address inside a v4-mapped, 6to4 (RFC 3056) or NAT64 (RFC 6052) one."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _6TO4:
        return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Is the address, or the IPv4 address wrapped in it, unicast on the public internet?"""
    inner = embedded_ipv4(address)
    if isinstance(inner, IPv4Address):
        return not any(inner in network for network in _REFUSED_V4)
    if inner.scope_id is not None or inner not in _GLOBAL_V6:
        return False
    return not any(inner in network for network in _REFUSED_V6)


def is_exception(address: Address, allowed_networks: Sequence[IPNetwork]) -> bool:
    """Did the operator name the address as one that may be reached although it is not public?"""
    inner = embedded_ipv4(address)
    return any(inner in network for network in allowed_networks)


def may_query(address: Address, allowed_networks: Sequence[IPNetwork]) -> bool:
    """May an authoritative server be asked at this address?"""
    return is_public(address) or is_exception(address, allowed_networks)


def may_probe(
    address: Address,
    port: int,
    allowed_networks: Sequence[IPNetwork],
    ports: frozenset[int] = PROBE_PORTS,
) -> bool:
    """May a host be connected to at this address and port? `ports` are a public address's."""
    if is_exception(address, allowed_networks):
        return True
    return is_public(address) and port in ports
