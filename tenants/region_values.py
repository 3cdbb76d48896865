"""Validates the values of a region, from the data file and from consultants."""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tenants.errors import BadName, TenantError
from tenants.names import normalise_hostname

_PREFIX = re.compile(r"C[A-Z]{2,5}")


def read_value(name: str, value: object) -> Any:
    """The canonical value of a region's field. Raises TenantError with field and value."""
    if name in LIST_FIELDS:
        return tuple(dict.fromkeys(_read_text(name, item) for item in _as_items(name, value)))
    return _read_text(name, value)


def refuse_implausible(name: str, value: object) -> None:
    """Raise TenantError for entered values that no region can have.

    A firewall that accepts such a network accepts mail from others, and a message from it would
    prove a task.
    """
    if name not in LIST_FIELDS or not isinstance(value, list | tuple):
        return
    if len(value) > MOST_VALUES:
        raise TenantError(
            f"{LABELS[name]}: {len(value)} values are too many. Enter at most {MOST_VALUES}."
        )
    for text in value if name in _NETWORKS else ():
        fault = _fault_of_network(ipaddress.IPv4Network(text))
        if fault:
            raise TenantError(f"{LABELS[name]}: “{text}” {fault}")


def _fault_of_network(network: ipaddress.IPv4Network) -> str:
    if network.prefixlen < LARGEST_NETWORK_BITS:
        return f"is too large. Enter networks with a prefix of /{LARGEST_NETWORK_BITS} to /32."
    if any(network.overlaps(each) for each in _NOT_PUBLIC):
        return "is private or reserved. Enter public networks."
    return ""


def is_too_large(name: str, value: object) -> bool:
    """Whether a stored list has a network that is refused today. It has no effect."""
    return name in _NETWORKS and any(
        ipaddress.IPv4Network(text).prefixlen < LARGEST_NETWORK_BITS
        for text in read_value(name, value)
    )


def unconfirmed_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A tenant's values after a change of its region: a person confirms or drops each of them."""
    own = {name: value for name, value in overrides.items() if name != UNCONFIRMED}
    aside = {**overrides.get(UNCONFIRMED, {}), **own}
    return {UNCONFIRMED: aside} if aside else {}


def _as_items(name: str, value: object) -> list[object]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TenantError(f"{LABELS[name]}: “{value}” must be a list.")
    return list(value)


def _read_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TenantError(f"{LABELS[name]}: “{value}” must be text.")
    try:
        return FIELDS[name](value.strip())
    except BadName as error:
        raise TenantError(f"{LABELS[name]}: {error}") from error
    except ValueError as error:
        raise TenantError(f"{LABELS[name]}: “{value}” {error}") from error


def _record_name(text: str) -> str:
    # The names of SPF records carry underscores, which hosts may not (RFC 8552).
    name = text.removeprefix("include:")
    normalise_hostname(name.replace("_", ""))
    return name.lower().removesuffix(".")


def _network(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError:
        raise ValueError("is not an IPv4 network, such as 192.0.2.0/24.") from None


def _https_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("is not an https address.")
    normalise_hostname(parts.hostname)
    return text


def _certificate_subject(text: str) -> str:
    wildcard = "*." if text.startswith("*.") else ""
    return wildcard + normalise_hostname(text.removeprefix("*."))


def _timezone(text: str) -> str:
    try:
        return zoneinfo.ZoneInfo(text).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone, such as Europe/London.") from None


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text.upper()):
        raise ValueError("is not the beginning of an account code, such as CUSA.")
    return text.upper()


FIELDS: dict[str, Callable[[str], str]] = {
    "account_code_prefix": _prefix,
    "timezone": _timezone,
    "mx": normalise_hostname,
    "spf_include": _record_name,
    "outbound_smarthosts": normalise_hostname,
    "exchange_online_smarthosts": normalise_hostname,
    "journal_hosts": normalise_hostname,
    "spf_ip4": _network,
    "delivery_ip4": _network,
    "delivery_hosts": normalise_hostname,
    "url_hosts": normalise_hostname,
    "login_url": _https_url,
    "api_host": normalise_hostname,
    "certificate_subject": _certificate_subject,
}
LIST_FIELDS = frozenset(
    {
        "mx",
        "outbound_smarthosts",
        "exchange_online_smarthosts",
        "journal_hosts",
        "spf_ip4",
        "delivery_ip4",
        "delivery_hosts",
        "url_hosts",
    }
)

# No setting or firewall rule needs these: a gap does not have to be filled.
INFORMATIVE_FIELDS = frozenset({"delivery_hosts", "url_hosts"})

# The key of a tenant's values that were entered for another region. They have no effect.
UNCONFIRMED = "unconfirmed"

# No region publishes a network as large as this one, or as many values as these.
LARGEST_NETWORK_BITS = 16
MOST_VALUES = 200
_NETWORKS = frozenset({"spf_ip4", "delivery_ip4"})
# The IPv4 networks of special purpose (RFC 6890) and multicast (RFC 5771). The properties of
# `ipaddress` depend on the version of Python.
_NOT_PUBLIC = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)

# In the order in which checks and people need them.
LABELS = {
    "mx": "MX hosts",
    "spf_include": "SPF include",
    "outbound_smarthosts": "outbound smart hosts",
    "exchange_online_smarthosts": "outbound smart hosts for Exchange Online",
    "journal_hosts": "journal hosts",
    "spf_ip4": "SPF ranges",
    "delivery_ip4": "delivery ranges",
    "delivery_hosts": "delivery hosts",
    "url_hosts": "hosts of rewritten links",
    "login_url": "sign-in address",
    "api_host": "API host",
    "certificate_subject": "certificate subject",
    "account_code_prefix": "account code prefix",
    "timezone": "time zone",
}
