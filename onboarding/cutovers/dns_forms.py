"""The form in which each DNS host expects the name of the zone's apex.

For help texts only, never for a verdict: DNS hosts change their forms without notice.
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
    """A known DNS host. `apex` is the entry for the domain itself in its form; None if unknown."""

    host: str
    apex: str | None


def form_of(servers: Iterable[str]) -> DnsForm | None:
    """The DNS host to which all of a zone's servers belong.

    None if no host is known, or if the servers belong to several hosts. Then the record must be
    entered at each of them, or at a hidden primary.
    """
    hosts = {dns_provider(server) for server in servers}
    if len(hosts) != 1 or "" in hosts:
        return None
    host = hosts.pop()
    return DnsForm(host, _APEX.get(host))
