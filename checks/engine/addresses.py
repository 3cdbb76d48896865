"""Decide which addresses a check may query or probe. Pure.

A name that a client typed must not lead a worker into the operator's own network. Only globally
routable unicast addresses and the operator's exceptions are allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

# RFC 6890 and the IANA registries of special-purpose addresses, multicast, and Azure's metadata
# service (168.63.129.16), which has a public address. The metadata services of other clouds are in
# link-local, CGNAT or ULA space.
# `ipaddress.is_global` is not used: its answer for several of these ranges depends on the Python
# version.
SPECIAL_PURPOSE_V4 = tuple(
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
# Addresses that any organisation may use inside its own network: RFC 1918, RFC 6598 (shared),
# loopback, link-local, and RFC 4193 (unique local).
_LOCAL_USE = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
# IANA allocates global unicast only from this block, so every other IPv6 address is refused.
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
)
_6TO4 = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")

# Public addresses are probed only on mail and directory ports, so that Gangway is no port scanner.
# An operator's exception is probed on any port.
PROBE_PORTS = frozenset({25, 465, 587, 636})


def parse_address(text: str) -> Address | None:
    """Parse an address in its canonical spelling; None for octal, hexadecimal and short forms."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def address_text(address: Address | None) -> str:
    """Return the canonical text of an address (RFC 5952), the same in every Python version.

    Section 5 writes an IPv4-mapped address with dots, which Python does from 3.13 on. Empty without
    an address.
    """
    if address is None:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped and address.scope_id is None:
        return f"::ffff:{address.ipv4_mapped}"
    return str(address)


def network_text(network: IPNetwork) -> str:
    """Return the canonical text of a network, as `address_text` does."""
    return f"{address_text(network.network_address)}/{network.prefixlen}"


def embedded_ipv4(address: Address) -> Address:
    """Return the IPv4 address inside a v4-mapped, 6to4 (RFC 3056) or NAT64 (RFC 6052) address.

    Every other address is returned unchanged.
    """
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _6TO4:
        # RFC 3056 section 2: the 32 bits after the prefix 2002::/16 are the IPv4 address.
        return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Return whether the address, or the IPv4 address inside it, is public unicast."""
    # A scope id (`%eth0`) selects an interface of this machine, so such an address is local.
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    # An attacker can wrap 10.0.0.1 in ::ffff:10.0.0.1 or 2002:a00:1::, so the inner address counts.
    inner = embedded_ipv4(address)
    if isinstance(inner, IPv4Address):
        return not any(inner in network for network in SPECIAL_PURPOSE_V4)
    if inner not in _GLOBAL_V6:
        return False
    return not any(inner in network for network in _REFUSED_V6)


def is_public_text(text: str) -> bool:
    """Return whether the text is a public unicast address in its canonical spelling."""
    address = parse_address(text)
    return address is not None and is_public(address)


def is_local_use(address: Address) -> bool:
    """Return whether the address, or the IPv4 address inside it, exists only in local networks."""
    inner = embedded_ipv4(address)
    return any(inner in network for network in _LOCAL_USE)


def is_exception(address: Address, allowed_networks: Sequence[IPNetwork]) -> bool:
    """Return whether the operator allows the address although it is not public."""
    inner = embedded_ipv4(address)
    return any(inner in network for network in allowed_networks)


def may_query(address: Address, allowed_networks: Sequence[IPNetwork]) -> bool:
    """Return whether an authoritative server may be queried at this address."""
    return is_public(address) or is_exception(address, allowed_networks)


def may_probe(
    address: Address,
    port: int,
    allowed_networks: Sequence[IPNetwork],
    ports: frozenset[int] = PROBE_PORTS,
) -> bool:
    """Return whether a host may be probed at this address and port.

    `ports` are the ports allowed at a public address.
    """
    if is_exception(address, allowed_networks):
        return True
    return is_public(address) and port in ports
