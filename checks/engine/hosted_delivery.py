"""Delivery hosts of the hosted mail platforms: their names, and the host of a domain.

The host of a domain is a suggestion that a person confirms, never a basis for a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

MICROSOFT_SUFFIXES = (".mail.protection.outlook.com", ".mx.microsoft")
GOOGLE_SUFFIXES = (".google.com", ".googlemail.com")
# Google's MX host since 2023. Older domains have aspmx.l.google.com and its alternatives.
GOOGLE_HOST = "smtp.google.com"


def is_microsoft_delivery(host: str) -> bool:
    """Return whether the host is an endpoint of Exchange Online for one domain."""
    return _plain(host).endswith(MICROSOFT_SUFFIXES)


def is_hosted_delivery(host: str) -> bool:
    """Return whether the host belongs to a platform that greets every sender on port 25."""
    return _plain(host).endswith((*MICROSOFT_SUFFIXES, *GOOGLE_SUFFIXES))


def hosts_among(names: Sequence[str], platform: str) -> list[str]:
    """Return the hosts of the platform among a domain's MX hosts, in their order."""
    is_wanted = is_microsoft_delivery if platform == "microsoft_365" else _is_google
    return [_plain(name) for name in names if is_wanted(name)]


def microsoft_host(domain: str, suffix: str = MICROSOFT_SUFFIXES[0]) -> str:
    """Return the usual host of a domain at Microsoft 365: its name, with dashes for dots."""
    return domain.lower().replace(".", "-") + suffix


def _is_google(host: str) -> bool:
    return _plain(host).endswith(GOOGLE_SUFFIXES)


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")
