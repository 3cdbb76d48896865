"""How DNS hosts want the name of a zone's own records (its apex) entered.

Good for help, never for a verdict: hosts change their forms without notice. As of the date below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from checks.engine.known_providers import dns_provider

AS_OF = "November 2026"
AT, EMPTY = "@", ""
_APEX: Mapping[str, str] = MappingProxyType(
    {
        "Cloudflare": AT,
        "GoDaddy": AT,
        "Namecheap": AT,
        "Azure DNS": AT,
        "Gandi": AT,
        "DigitalOcean": AT,
        "Hetzner": AT,
        "IONOS": AT,
        "Amazon Route 53": EMPTY,
        "Google Cloud DNS": EMPTY,
        "OVHcloud": EMPTY,
    }
)


@dataclass(frozen=True)
class DnsForm:
    """A recognised DNS host. `apex` is what its form wants for the domain itself; None where we do
    not know."""

    host: str
    apex: str | None


def form_of(servers: Iterable[str]) -> DnsForm | None:
    """The host that all of a zone's servers belong to; None where they are nobody's we know, or
    several hosts' (then an entry has to be made at each, or at a hidden one)."""
    hosts = {dns_provider(server) for server in servers}
    if len(hosts) != 1 or "" in hosts:
        return None
    host = hosts.pop()
    return DnsForm(host, _APEX.get(host))
