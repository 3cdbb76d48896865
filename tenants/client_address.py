"""Where a request comes from. What a client says of itself is believed only from our proxies."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address that the outermost of our TRUSTED_PROXIES saw; empty where there is none."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    said = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    count = int(settings.TRUSTED_PROXIES)
    if not 0 < count <= len(said):
        return _valid(peer)
    return _valid(said[-count]) or _valid(peer)


def address_group(request: HttpRequest) -> str:
    """What rate limits count by: an IPv6 customer has a whole /64 to pick addresses from."""
    address = client_address(request)
    if address and isinstance(ip_address(address), IPv6Address):
        return str(ip_network(f"{address}/64", strict=False))
    return address


def _valid(address: str) -> str:
    try:
        return str(ip_address(address.strip()))
    except ValueError:
        return ""
