"""The client's IP address. X-Forwarded-For counts only as far as our own proxies wrote it."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from tenants.names import address_text


def client_address(request: HttpRequest) -> str:
    """The address that the outermost of the TRUSTED_PROXIES saw, or an empty string."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    count = int(settings.TRUSTED_PROXIES)
    if not 0 < count <= len(forwarded):
        return _valid(peer)
    return _valid(forwarded[-count]) or _valid(peer)


def address_group(request: HttpRequest) -> str:
    """The key of the rate limits. IPv6 counts by /64, because one customer has a whole /64."""
    address = client_address(request)
    if address and isinstance(ip_address(address), IPv6Address):
        return str(ip_network(f"{address}/64", strict=False))
    return address


def _valid(address: str) -> str:
    try:
        return address_text(ip_address(address.strip()))
    except ValueError:
        return ""
