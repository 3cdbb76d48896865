"""Test message: it left through Mimecast, signed with the key that the domain publishes.

Specified in docs/reference/checks/message.md. Headers are unverified text; `message_judgement`
separates proof from text.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from checks.engine.addresses import IPNetwork, address_text
from checks.engine.dns.lookup import Lookup
from checks.engine.expected_values import DkimSelector, RegionFacts
from checks.engine.mail import message_parser
from checks.engine.mail.dkim import PREVIOUS_SELECTORS
from checks.engine.mail.dmarc import find_organisations, find_policy
from checks.engine.mail.message_judgement import (
    DeliveryPath,
    MessageFacts,
    SenderDmarc,
    SenderSpf,
    age_verdict,
    dmarc_verdict,
    is_dmarc_signed,
    judge,
    path_verdict,
    signature_verdict,
    spf_verdict,
)
from checks.engine.mail.message_parser import (
    MailMessage,
    ReceivedHop,
    UnreadableMessage,
    find_handover,
    is_host_name,
    is_null_return_path,
    parse,
    parse_date,
    parse_hops,
    parse_mailbox,
)
from checks.engine.mail.message_signatures import DkimSignature, verify_signatures
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.engine.spf.check_host import SpfResult, check_host
from checks.engine.spf.expansion import expand
from checks.engine.spf.networks import collapse_networks

__all__ = ["MAX_HEADER_LENGTH", "MessageInput", "inspect", "judge", "parse"]

_STORED_HEADERS = ("return-path", "received", "from", "date", "message-id", "dkim-signature")
_MAX_STORED_HEADERS = 40
# The characters of a header line that the evidence stores.
MAX_HEADER_LENGTH = 1_000


@dataclass(frozen=True)
class MessageInput:
    """A submitted message, the time of the run, and the maximum age of the message.

    `not_before` is the confirmation of the outbound cutover, if any. An earlier message proves
    nothing about it. `sending_platform` is the half of a hybrid system that sent it, as a person
    stated; empty otherwise.
    """

    content: bytes
    at: datetime
    max_age_days: int = 7
    not_before: datetime | None = None
    sending_platform: str = ""


async def inspect(
    domain: str,
    selectors: Sequence[DkimSelector],
    region: RegionFacts,
    submitted: MessageInput | None,
    lookup: Lookup,
) -> Outcome:
    """Parse the message, verify its signatures and SPF against current DNS, and judge."""
    if submitted is None:
        return _unreadable(domain, Finding("message.none", {}))
    message = parse(submitted.content)
    rejection = _rejection(domain, message)
    if rejection is not None or isinstance(message, UnreadableMessage):
        return _unreadable(domain, rejection or Finding("message.none", {}))
    hops = parse_hops(message)
    signatures, networks, dmarc = await asyncio.gather(
        verify_signatures(message, domain, lookup, now=submitted.at, selectors=selectors),
        region_networks(region, lookup),
        _dmarc(domain, lookup),
    )
    path = _path(hops, networks)
    # `submitted.at` and not the clock: a replay must judge as at the time of the run.
    spf = await _spf(message, path.handover, lookup)
    facts = MessageFacts(
        domain=domain,
        # The selectors of the old platforms are never Mimecast's, even when a person records them.
        selectors=tuple(each for each in selectors if each.name not in PREVIOUS_SELECTORS),
        has_body=message.has_body,
        has_attached_message=message.has_attached_message,
        signatures=tuple(signatures),
        path=path,
        spf=spf,
        dmarc=await _with_organisations(dmarc, domain, signatures, spf, lookup),
        at=submitted.at,
        max_age_days=submitted.max_age_days,
        not_before=submitted.not_before,
        dated_at=_dated_at(message),
    )
    server_verdict, is_certain = judge(facts)
    altered = any(finding.code == "message.body-altered" for finding in server_verdict.findings)
    if altered and message.has_next_message:
        return _unreadable(domain, Finding("message.unreadable", {"problem": "several"}))
    return Outcome(
        kind=CheckKind.MESSAGE,
        subject=domain,
        verdict=server_verdict.verdict,
        findings=server_verdict.findings,
        evidence=_evidence(submitted, message, facts, hops, networks),
        unanimous=is_certain,
    )


def _unreadable(domain: str, finding: Finding) -> Outcome:
    return Outcome(CheckKind.MESSAGE, domain, Verdict.UNKNOWN, (finding,), {}, unanimous=False)


def unreadable_finding(read: UnreadableMessage) -> Finding:
    """Return the finding about a text that is no message."""
    if read.line:
        return Finding("message.bad-line", {"line": read.line})
    return Finding("message.unreadable", {"problem": read.problem})


def _rejection(domain: str, message: MailMessage | UnreadableMessage) -> Finding | None:
    """Return the reason why the message proves nothing about the domain, or None."""
    if isinstance(message, UnreadableMessage):
        return unreadable_finding(message)
    from_fields = message.from_fields
    if len(from_fields) != 1:
        # RFC 5322 section 3.6: exactly one From. With two, mail programs disagree on the sender.
        return Finding("message.from-lines", {"count": len(from_fields)})
    found = parse_mailbox(from_fields[0].text).rpartition("@")[2]
    if not found:
        return Finding("message.from-unclear", {})
    if found != domain and message.has_attached_message:
        return Finding("message.forwarded", {"found": found, "expected": domain})
    if found != domain:
        return Finding("message.other-domain", {"found": found, "expected": domain})
    return None


def _dated_at(message: MailMessage) -> datetime | None:
    dates = message.fields_named("date")
    return parse_date(dates[0].text) if len(dates) == 1 else None


async def region_networks(region: RegionFacts, lookup: Lookup) -> list[IPNetwork]:
    """Return the sending ranges of the region by its SPF include; none if it did not expand."""
    if not region.spf_include:
        return []
    root = await expand(region.spf_include, lookup)
    return [] if root.problems else collapse_networks(root.listed_networks)


def _path(hops: Sequence[ReceivedHop], networks: Sequence[IPNetwork]) -> DeliveryPath:
    # Any hop in the region counts, because forwarders can add newer hops after Mimecast's.
    through = next((hop for hop in hops if _is_within(hop, networks)), None)
    handover = through or find_handover(hops)
    return DeliveryPath(handover, through is not None, bool(networks), has_lines=bool(hops))


def _is_within(hop: ReceivedHop, networks: Sequence[IPNetwork]) -> bool:
    return hop.address is not None and any(hop.address in network for network in networks)


async def _spf(message: MailMessage, hop: ReceivedHop | None, lookup: Lookup) -> SenderSpf:
    """Run check_host for the envelope sender (RFC 7208 section 2.4), or a bounce's HELO name."""
    paths = message.fields_named("return-path")
    if hop is None or hop.address is None or not paths:
        return SenderSpf("", None)
    sender = parse_mailbox(paths[0].text)
    helo = hop.helo if is_host_name(hop.helo) else ""
    # RFC 7208 section 2.4: for a null sender, SPF checks postmaster at the HELO name.
    if not sender and is_null_return_path(paths[0].text) and helo:
        sender = f"postmaster@{helo}"
    if not sender or not sender.isascii():
        return SenderSpf("", None)
    domain = sender.rpartition("@")[2]
    result = await check_host(hop.address, domain, sender, helo or domain, lookup=lookup)
    return SenderSpf(sender, result.result)


async def _dmarc(domain: str, lookup: Lookup) -> SenderDmarc:
    """Return the facts of the record that applies to the domain, as the DMARC check finds it."""
    applied = (await find_policy(domain, lookup)).applied
    if applied is None:
        return SenderDmarc(None)
    if applied.record is None:
        return SenderDmarc(False)
    return SenderDmarc(True, applied.record.strict_dkim, applied.record.strict_spf)


async def _with_organisations(
    dmarc: SenderDmarc,
    domain: str,
    signatures: Sequence[DkimSignature],
    spf: SenderSpf,
    lookup: Lookup,
) -> SenderDmarc:
    """Add the organisational domains of the names that pass, unless they equal the domain."""
    names = {signature.domain for signature in signatures if signature.is_valid}
    if spf.result is SpfResult.PASS:
        names.add(spf.domain)
    others = sorted(names - {domain})
    if not others:
        return dmarc
    return replace(dmarc, organisations=await find_organisations([domain, *others], lookup))


def _evidence(
    submitted: MessageInput,
    message: MailMessage,
    facts: MessageFacts,
    hops: Sequence[ReceivedHop],
    networks: Sequence[IPNetwork],
) -> dict[str, Any]:
    """Return the facts and the header lines behind them. Body and subject are not stored."""
    headers = [field for field in message.fields if field.name in _STORED_HEADERS][
        :_MAX_STORED_HEADERS
    ]
    return {
        "message": {
            "sha256": hashlib.sha256(submitted.content).hexdigest(),
            "bytes": len(submitted.content),
            "has_body": message.has_body,
            "sent_at": _iso(facts.proofs[0].signed_at if facts.proofs else facts.dated_at),
            **(
                {"sending_platform": submitted.sending_platform}
                if submitted.sending_platform
                else {}
            ),
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
        "signatures": [_signature(s) for s in facts.signatures[: message_parser.MAX_HOPS]],
        "hops": [
            {
                "address": address_text(hop.address),
                "helo": hop.helo,
                "by": hop.by,
                "is_region": _is_within(hop, networks),
            }
            for hop in hops
        ],
        "spf": {"sender": facts.spf.sender, "result": str(facts.spf.result or "")},
        "headers": [{"name": f.label, "value": f.text[:MAX_HEADER_LENGTH]} for f in headers],
    }


def _signature(signature: DkimSignature) -> dict[str, Any]:
    return {
        "domain": signature.domain,
        "selector": signature.selector,
        "state": signature.state.value,
        "detail": signature.detail,
        "signed_at": _iso(signature.signed_at),
    }


def _iso(time: datetime | None) -> str:
    return time.isoformat(timespec="seconds") if time is not None else ""
