"""Find the hop at which a message entered the client's mail system (RFC 5321 section 4.4). Pure.

Each server prepends its own Received line. The lines from the top down to the entry were written by
the client's system. Every line below the entry came with the message, so the sender may have
written it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Network

from checks.engine.addresses import Address, is_local_use, parse_address
from checks.engine.expected_values import MailPlatform
from checks.engine.mail.message_parser import ReceivedHop

# The writer of the line at which mail enters Exchange Online. Its later lines have other names.
_MICROSOFT_ENTRY = (".mail.protection.outlook.com",)
_MICROSOFT_INSIDE = (".outlook.com", ".office365.com", ".exchangelabs.com", ".msft.net")
_GOOGLE_ENTRY = ("mx.google.com", "gmr-mx.google.com")
_GOOGLE_INSIDE = (".google.com", ".googlemail.com")
# Google's internal servers sign with 6to4 addresses of 10.0.0.0/8.
_GOOGLE_ADDRESSES = IPv6Network("2002:a00::/24")


class SystemKind(StrEnum):
    """The owner of the servers that wrote the topmost lines."""

    MICROSOFT = "Microsoft 365"
    GOOGLE = "Google Workspace"
    OWN = "own servers"


# A profile with the platform Other may have mailboxes anywhere.
_KINDS_OF_PLATFORM = {
    MailPlatform.MICROSOFT_365: {SystemKind.MICROSOFT},
    MailPlatform.GOOGLE_WORKSPACE: {SystemKind.GOOGLE},
    MailPlatform.ON_PREMISES: {SystemKind.OWN},
    MailPlatform.HYBRID: set(SystemKind),
    MailPlatform.OTHER: set(SystemKind),
}


@dataclass(frozen=True)
class Entry:
    """The entry into the client's system. Without a hop, `problem` is the reason.

    `problem` is a stable code: no-lines, other-system, no-address, hidden-address, no-entry.
    """

    kind: SystemKind
    hop: ReceivedHop | None
    problem: str = ""
    number: int = 0


def find_entry(
    hops: Sequence[ReceivedHop],
    platform: MailPlatform,
    own_addresses: Collection[Address],
    mimecast_domains: Iterable[str],
) -> Entry:
    """Return the newest hop from outside the client's system.

    `own_addresses` are the addresses of the client's own delivery hosts. A hop from one of them is
    inside the system.
    """
    if not hops:
        return Entry(SystemKind.OWN, None, "no-lines")
    kind = kind_of(hops[0])
    if kind not in _KINDS_OF_PLATFORM[platform]:
        return Entry(kind, None, "other-system")
    for number, hop in enumerate(hops):
        # A line of Mimecast or of a sender cannot follow a line of the client's own system, unless
        # the line above it was the entry and hides the address, as behind a translating firewall.
        if is_below(hop.by, mimecast_domains):
            return Entry(kind, None, "hidden-address" if number else "other-system", number)
        inside = _is_inside(hop, kind, own_addresses)
        if inside is None:
            return Entry(kind, None, "no-entry", number)
        if not inside:
            problem = _problem(hop)
            return Entry(kind, None if problem else hop, problem, number)
        if hop.address is not None and hop.address in own_addresses:
            # Hybrid: the hosted platform received it from the client's own server.
            kind = SystemKind.OWN
    return Entry(kind, None, "no-entry", len(hops))


def kind_of(hop: ReceivedHop) -> SystemKind:
    """Return the system whose server wrote the line."""
    if hop.by.endswith((*_MICROSOFT_ENTRY, *_MICROSOFT_INSIDE)):
        return SystemKind.MICROSOFT
    by = parse_address(hop.by)
    is_google_address = by is not None and by in _GOOGLE_ADDRESSES
    if hop.by.endswith(_GOOGLE_INSIDE) or is_google_address:
        return SystemKind.GOOGLE
    return SystemKind.OWN


def is_below(name: str, domains: Iterable[str]) -> bool:
    """Return whether a host name is below one of the domains."""
    return any(name.removesuffix(".").endswith(f".{domain}") for domain in domains)


def _is_inside(
    hop: ReceivedHop, kind: SystemKind, own_addresses: Collection[Address]
) -> bool | None:
    """Return whether the hop is within the client's system; None if another system wrote it."""
    if hop.address is not None and hop.address in own_addresses:
        return True
    match kind:
        case SystemKind.MICROSOFT:
            return _is_inside_platform(hop, kind, hop.by.endswith(_MICROSOFT_ENTRY))
        case SystemKind.GOOGLE:
            return _is_inside_platform(hop, kind, hop.by in _GOOGLE_ENTRY and bool(hop.helo))
    # A line without a from clause: a content filter of the server itself (as in Postfix).
    if not hop.helo:
        return True
    return hop.address is not None and is_local_use(hop.address)


def _is_inside_platform(hop: ReceivedHop, kind: SystemKind, is_entry: bool) -> bool | None:
    # The name of the writer decides, not the HELO name: that is the sender's free choice.
    if kind_of(hop) is not kind:
        return None
    return not is_entry


def _problem(hop: ReceivedHop) -> str:
    if hop.address is None:
        return "no-address"
    return "hidden-address" if is_local_use(hop.address) else ""
