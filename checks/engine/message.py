"""A test message: did it leave through Mimecast, signed as the domain's record says?

Specified in docs/checks/message.md. What a header claims is never believed: see
message_judgement for what is proof and what is text.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checks.engine import dmarc_records, message_parts
from checks.engine.addresses import IPNetwork
from checks.engine.dkim import OLD_SIGNERS
from checks.engine.expectations import RegionFacts, Selector
from checks.engine.lookup import CouldNotTell, Lookup, Records
from checks.engine.message_judgement import (
    DmarcSeen,
    Facts,
    Path,
    SpfSeen,
    age_verdict,
    dmarc_verdict,
    is_dmarc_signed,
    judge,
    path_verdict,
    signature_verdict,
    spf_verdict,
)
from checks.engine.message_parts import (
    Hop,
    Message,
    Unreadable,
    handed_over,
    hops_of,
    is_host_name,
    is_null_path,
    mailbox_of,
    moment_of,
    parse,
)
from checks.engine.message_signatures import Signature, verify_all
from checks.engine.organisations import organisational_domain
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.engine.spf_check_host import check_host
from checks.engine.spf_expansion import expand
from checks.engine.spf_networks import distinct

__all__ = ["Shown", "inspect", "judge", "parse"]

_KEPT = ("return-path", "received", "from", "date", "message-id", "dkim-signature")
_MOST_KEPT, _LONGEST_KEPT = 40, 1_000


@dataclass(frozen=True)
class Shown:
    """A message somebody shows us: its bytes, the moment of the look, and how old it may be.

    `not_before` is the planned outbound cutover, where there is one: an earlier message says
    nothing about it.
    """

    content: bytes
    at: datetime
    most_days: int = 7
    not_before: datetime | None = None


async def inspect(
    domain: str,
    selectors: Sequence[Selector],
    region: RegionFacts,
    shown: Shown | None,
    lookup: Lookup,
) -> Outcome:
    """Read the message, verify its signatures and SPF against DNS as it is now, and judge."""
    if shown is None:
        return _unreadable(domain, Finding("message.none", {}))
    message = parse(shown.content)
    refusal = _refusal(domain, message)
    if refusal is not None or isinstance(message, Unreadable):
        return _unreadable(domain, refusal or Finding("message.none", {}))
    hops = hops_of(message)
    signatures, networks, dmarc = await asyncio.gather(
        verify_all(message, domain, lookup, now=shown.at),
        _networks(region, lookup),
        _dmarc(domain, lookup),
    )
    path = _path(hops, networks)
    facts = Facts(
        domain=domain,
        # Where the old platforms publish is never Mimecast's, whatever was put on record.
        selectors=tuple(each for each in selectors if each.name not in OLD_SIGNERS),
        has_body=message.has_body,
        signatures=tuple(signatures),
        path=path,
        spf=await _spf(message, path.handed_over, lookup),
        dmarc=dmarc,
        at=shown.at,
        most_days=shown.most_days,
        not_before=shown.not_before,
        dated_at=_dated_at(message),
    )
    opinion, is_certain = judge(facts)
    return Outcome(
        kind=Kind.MESSAGE,
        subject=domain,
        verdict=opinion.verdict,
        findings=opinion.findings,
        evidence=_evidence(shown, message, facts, hops, networks),
        unanimous=is_certain,
    )


def _unreadable(domain: str, finding: Finding) -> Outcome:
    return Outcome(Kind.MESSAGE, domain, Verdict.UNKNOWN, (finding,), {}, unanimous=False)


def _refusal(domain: str, message: Message | Unreadable) -> Finding | None:
    """Why the message is none that could say anything about the domain."""
    if isinstance(message, Unreadable):
        return Finding("message.unreadable", {"problem": message.problem})
    senders = message.senders
    if len(senders) != 1:
        # RFC 5322 section 3.6: one From. With two, each reader believes another.
        return Finding("message.from-lines", {"count": len(senders)})
    found = mailbox_of(senders[0].text).rpartition("@")[2]
    if not found:
        return Finding("message.from-unclear", {})
    if found != domain:
        return Finding("message.other-domain", {"found": found, "expected": domain})
    return None


def _dated_at(message: Message) -> datetime | None:
    dates = message.named("date")
    return moment_of(dates[0].text) if len(dates) == 1 else None


async def _networks(region: RegionFacts, lookup: Lookup) -> list[IPNetwork]:
    """The ranges the region sends from, by its SPF include; none where it could not be expanded."""
    if not region.spf_include:
        return []
    root = await expand(region.spf_include, lookup)
    return [] if root.problems else distinct(root.listed_networks)


def _path(hops: Sequence[Hop], networks: Sequence[IPNetwork]) -> Path:
    through = next((hop for hop in hops if _is_within(hop, networks)), None)
    return Path(through or handed_over(hops), through is not None, bool(networks))


def _is_within(hop: Hop, networks: Sequence[IPNetwork]) -> bool:
    return hop.address is not None and any(hop.address in network for network in networks)


async def _spf(message: Message, hop: Hop | None, lookup: Lookup) -> SpfSeen:
    """check_host for the envelope's sender (RFC 7208 section 2.4), or the greeting of a bounce."""
    paths = message.named("return-path")
    if hop is None or hop.address is None or not paths:
        return SpfSeen("", None)
    sender = mailbox_of(paths[0].text)
    helo = hop.helo if is_host_name(hop.helo) else ""
    if not sender and is_null_path(paths[0].text) and helo:
        sender = f"postmaster@{helo}"
    if not sender or not sender.isascii():
        return SpfSeen("", None)
    domain = sender.rpartition("@")[2]
    seen = await check_host(hop.address, domain, sender, helo or domain, lookup=lookup)
    return SpfSeen(sender, seen.result)


async def _dmarc(domain: str, lookup: Lookup) -> DmarcSeen:
    """The record of the domain, or else of its organisation (RFC 7489 section 6.6.3)."""
    for name in dict.fromkeys((domain, organisational_domain(domain))):
        answer = await lookup.resolve(f"_dmarc.{name}", "TXT")
        if isinstance(answer, CouldNotTell):
            return DmarcSeen(None)
        records = dmarc_records.select(answer.values) if isinstance(answer, Records) else []
        read = dmarc_records.parse(records[0]) if len(records) == 1 else None
        if isinstance(read, dmarc_records.Policy):
            return DmarcSeen(True, read.strict_dkim, read.strict_spf)
    return DmarcSeen(False)


def _evidence(
    shown: Shown,
    message: Message,
    facts: Facts,
    hops: Sequence[Hop],
    networks: Sequence[IPNetwork],
) -> dict[str, Any]:
    """What was judged, and the header lines it rests on. The body is not kept, nor the subject."""
    kept = [field for field in message.fields if field.name in _KEPT][:_MOST_KEPT]
    return {
        "message": {
            "sha256": hashlib.sha256(shown.content).hexdigest(),
            "bytes": len(shown.content),
            "has_body": message.has_body,
            "sent_at": _iso(facts.proofs[0].signed_at if facts.proofs else facts.dated_at),
        },
        "facts": [
            {"name": "signature", "rests_on": "proof", "verdict": signature_verdict(facts).value},
            {"name": "age", "rests_on": "proof", "verdict": age_verdict(facts).value},
            {"name": "path", "rests_on": "text", "verdict": path_verdict(facts).value},
            {"name": "spf", "rests_on": "text", "verdict": spf_verdict(facts).value},
            {
                "name": "dmarc",
                "rests_on": "proof" if is_dmarc_signed(facts) else "text",
                "verdict": dmarc_verdict(facts).value,
            },
        ],
        "signatures": [_signature(s) for s in facts.signatures[: message_parts.MAX_HOPS]],
        "hops": [
            {
                "address": str(hop.address) if hop.address is not None else "",
                "helo": hop.helo,
                "by": hop.by,
                "is_region": _is_within(hop, networks),
            }
            for hop in hops
        ],
        "spf": {"sender": facts.spf.sender, "result": str(facts.spf.result or "")},
        "headers": [{"name": f.label, "value": f.text[:_LONGEST_KEPT]} for f in kept],
    }


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        "domain": signature.domain,
        "selector": signature.selector,
        "state": signature.state.value,
        "detail": signature.detail,
        "signed_at": _iso(signature.signed_at),
    }


def _iso(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment is not None else ""
