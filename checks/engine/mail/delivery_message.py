"""Received message: the last hop before the client's system is a server of Mimecast's region.

Specified in docs/reference/checks/delivery_message.md. Header lines are unverified text: nothing
signs them, so the result supports a task and never completes it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv6Address, ip_network
from typing import Any

from checks.engine.addresses import Address, IPNetwork, parse_address
from checks.engine.dns.lookup import Lookup, Records
from checks.engine.expected_values import ReceivingSystem, RegionFacts
from checks.engine.hosted_delivery import is_hosted_delivery, is_microsoft_delivery
from checks.engine.mail.delivery_judgement import DeliveryFacts, judge
from checks.engine.mail.delivery_path import Entry, SystemKind, find_entry, is_below
from checks.engine.mail.message import region_networks, unreadable_finding
from checks.engine.mail.message_parser import (
    MailMessage,
    ReceivedHop,
    UnreadableMessage,
    is_host_name,
    parse,
    parse_hops,
    parse_mailbox,
    parse_mailboxes,
)
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.engine.spf.check_host import SpfResult, check_host

_RECIPIENT_FIELDS = ("delivered-to", "x-original-to", "to", "cc")
_STORED_HEADERS = ("received", "delivered-to", "to", "date", "message-id")
_MAX_STORED_HEADERS, _MAX_HEADER_LENGTH = 40, 1_000


@dataclass(frozen=True)
class ReceivedInput:
    """A submitted message, the time of the run, and the observed MX cutover of the domain."""

    content: bytes
    at: datetime
    switched_at: datetime | None = None


async def inspect(
    domain: str,
    region: RegionFacts,
    system: ReceivingSystem,
    submitted: ReceivedInput | None,
    lookup: Lookup,
) -> Outcome:
    """Parse the message, find its entry into the client's system, and judge the address there."""
    if submitted is None:
        return _unreadable(domain, Finding("delivery-message.none", {}))
    message = parse(submitted.content)
    if isinstance(message, UnreadableMessage):
        return _unreadable(domain, unreadable_finding(message))
    hops = parse_hops(message)
    own_addresses = await _own_addresses(system, lookup)
    entry = find_entry(hops, system.platform, own_addresses, region.parent_domains)
    facts = await _facts(domain, region, system, submitted, message, hops, entry, lookup)
    verdict, findings = judge(facts)
    return Outcome(
        kind=CheckKind.DELIVERY_MESSAGE,
        subject=domain,
        verdict=verdict,
        findings=findings,
        evidence=_evidence(submitted, message, facts, hops),
        unanimous=verdict is not Verdict.UNKNOWN,
    )


def _unreadable(domain: str, finding: Finding) -> Outcome:
    return Outcome(
        CheckKind.DELIVERY_MESSAGE, domain, Verdict.UNKNOWN, (finding,), {}, unanimous=False
    )


async def _facts(
    domain: str,
    region: RegionFacts,
    system: ReceivingSystem,
    submitted: ReceivedInput,
    message: MailMessage,
    hops: Sequence[ReceivedHop],
    entry: Entry,
    lookup: Lookup,
) -> DeliveryFacts:
    recipients = _recipients(message, hops[: entry.number + 1])
    hop = entry.hop
    if hop is None or hop.address is None:
        return DeliveryFacts(domain, region, recipients, entry, submitted.at)
    address = _plain_address(hop.address)
    hop = replace(hop, address=address)
    entry = replace(entry, hop=hop)
    sending = await region_networks(region, lookup)
    delivering = _networks(region.delivery_networks)
    strong = [*sending, *_networks(region.proving_delivery_networks)]
    is_listed = _is_within(address, strong)
    is_known = is_listed or _is_within(address, delivering)
    return DeliveryFacts(
        domain=domain,
        region=region,
        recipients=recipients,
        entry=entry,
        at=submitted.at,
        route=_route(hop, entry.kind, system.delivery_hosts, domain),
        is_listed=is_listed,
        is_weak=is_known and not is_listed,
        is_named=not is_listed and await _is_named(hop, region, lookup),
        other_region="" if is_known else _other_region(address, region),
        sender="" if is_known else await _direct_sender(message, hop, strong, lookup),
        has_ranges=bool(sending or delivering),
        switched_at=submitted.switched_at,
    )


def _plain_address(address: Address) -> Address:
    """Some servers write ::ffff:192.0.2.1 for an IPv4 peer."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _recipients(message: MailMessage, inside: Sequence[ReceivedHop]) -> tuple[str, ...]:
    """Return the addresses for which the client's own servers or the sender name the message."""
    named = [hop.recipient for hop in inside if hop.recipient]
    for name in _RECIPIENT_FIELDS:
        for each in message.fields_named(name):
            named += parse_mailboxes(each.text)
    return tuple(dict.fromkeys(named))


async def _own_addresses(system: ReceivingSystem, lookup: Lookup) -> set[Address]:
    """Return the addresses of the client's own delivery hosts. A hosted platform's are shared."""
    own = [host for host in system.delivery_hosts if not is_hosted_delivery(host)]
    return set().union(*await asyncio.gather(*(_addresses(host, lookup) for host in own)))


async def _addresses(host: str, lookup: Lookup) -> set[Address]:
    literal = parse_address(host)
    if literal is not None:
        return {literal}
    answers = await asyncio.gather(*(lookup.resolve(host, rtype) for rtype in ("A", "AAAA")))
    values = [value for each in answers if isinstance(each, Records) for value in each.values]
    return {address for value in values if (address := parse_address(value)) is not None}


def _networks(texts: Sequence[str]) -> list[IPNetwork]:
    return [ip_network(text) for text in texts]


def _is_within(address: Address, networks: Sequence[IPNetwork]) -> bool:
    return any(address in network for network in networks)


def _other_region(address: Address, region: RegionFacts) -> str:
    """Return the region whose ranges contain the address; "" where several or none do."""
    found = {owner for text, owner in region.other_networks if address in ip_network(text)}
    return found.pop() if len(found) == 1 and region.spf_include else ""


async def _is_named(hop: ReceivedHop, region: RegionFacts, lookup: Lookup) -> bool:
    """Return whether Mimecast's DNS confirms the sending host's name for this region.

    The name is the sender's claim, and its address record is Mimecast's statement about it.
    """
    prefixes = {host.partition("-")[0] for host in region.mx}
    is_of_region = hop.helo.partition("-")[0] in prefixes
    if not (is_of_region and is_host_name(hop.helo) and is_below(hop.helo, region.parent_domains)):
        return False
    return hop.address in await _addresses(hop.helo, lookup)


async def _direct_sender(
    message: MailMessage, hop: ReceivedHop, region: Collection[IPNetwork], lookup: Lookup
) -> str:
    """Return the envelope sender if its own server delivered the message, else "".

    Its SPF then permits the address. A record that also permits Mimecast's address, such as one
    with `+all`, does not show which of the two it was.
    """
    paths = message.fields_named("return-path")
    sender = parse_mailbox(paths[0].text) if paths else ""
    mimecast = next(iter(region), None)
    if not sender or not sender.isascii() or hop.address is None or mimecast is None:
        return ""
    domain = sender.rpartition("@")[2]
    own = await check_host(hop.address, domain, sender, hop.helo or domain, lookup=lookup)
    if own.result is not SpfResult.PASS:
        return ""
    other = await check_host(mimecast[0], domain, sender, domain, lookup=lookup)
    is_distinct = other.result not in (SpfResult.PASS, SpfResult.TEMPERROR)
    return sender if is_distinct else ""


def _route(hop: ReceivedHop, kind: SystemKind, hosts: Sequence[str], domain: str) -> str:
    """Return the delivery host that received the message; "" if the lines do not show which."""
    if hop.by in hosts:
        return hop.by
    match kind:
        case SystemKind.MICROSOFT:
            candidates = [host for host in hosts if is_microsoft_delivery(host)]
            label = domain.replace(".", "-")
            candidates = [h for h in candidates if h.partition(".")[0] == label] or candidates
        case SystemKind.GOOGLE:
            hosted = [host for host in hosts if is_hosted_delivery(host)]
            # All of Google's hosts are one system.
            candidates = [host for host in hosted if not is_microsoft_delivery(host)][:1]
        case SystemKind.OWN:
            candidates = [host for host in hosts if not is_hosted_delivery(host)]
    # A tenant with one delivery host has no other route.
    candidates = candidates or (list(hosts) if len(hosts) == 1 else [])
    return candidates[0] if len(candidates) == 1 else ""


def _evidence(
    submitted: ReceivedInput,
    message: MailMessage,
    facts: DeliveryFacts,
    hops: Sequence[ReceivedHop],
) -> dict[str, Any]:
    """Return the facts and the header lines behind them. Body and subject are not stored."""
    hop = facts.entry.hop
    received_at = hop.received_at if hop is not None else None
    headers = [field for field in message.fields if field.name in _STORED_HEADERS]
    return {
        "message": {
            "sha256": hashlib.sha256(submitted.content).hexdigest(),
            "bytes": len(submitted.content),
            "received_at": received_at.isoformat(timespec="seconds") if received_at else "",
        },
        # Nothing signs a Received line of the client's system, so every fact is text.
        "is_authenticated": False,
        "system": facts.entry.kind.value,
        "route": facts.route,
        "hops": [
            {
                "address": str(each.address) if each.address is not None else "",
                "helo": each.helo,
                "by": each.by,
                "is_entry": hop is not None and number == facts.entry.number,
                "is_inside": number < facts.entry.number,
            }
            for number, each in enumerate(hops)
        ],
        "headers": [
            {"name": each.label, "value": each.text[:_MAX_HEADER_LENGTH]}
            for each in headers[:_MAX_STORED_HEADERS]
        ],
    }
