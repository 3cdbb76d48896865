"""Judge a received message. Pure: everything is already fetched.

All facts are header lines that a person pasted, so the verdict supports a task and never completes
it. FAIL requires certainty that another system delivered the message: no list of Mimecast's
delivery ranges is complete, so an unknown address alone is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from checks.engine.addresses import address_text
from checks.engine.expected_values import RegionFacts
from checks.engine.mail.delivery_path import Entry
from checks.engine.mail.message_parser import ReceivedHop
from checks.engine.outcomes import Finding, Verdict

# Clocks of mail servers differ, and Gangway's own may be wrong too.
CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class DeliveryFacts:
    """The facts of a received message. `at` is the time of the run.

    - `recipients` are the addresses that the message names, of any domain.
    - `route` is the delivery host that received it, "" if the lines do not show which.
    - `is_listed`: the address is in the region's ranges. `is_weak`: in one of low confidence only.
    - `is_named`: Mimecast's DNS confirms the sending host's name of this region.
    - `other_region` is the region whose ranges contain the address, if any.
    - `sender` is the envelope sender if its SPF permits the address and not this region, else "".
    - `switched_at` is the observed MX cutover of the domain, None before it.
    """

    domain: str
    region: RegionFacts
    recipients: tuple[str, ...]
    entry: Entry
    at: datetime
    route: str = ""
    is_listed: bool = False
    is_weak: bool = False
    is_named: bool = False
    other_region: str = ""
    sender: str = ""
    has_ranges: bool = False
    switched_at: datetime | None = None

    @property
    def is_for_domain(self) -> bool:
        return any(each.rpartition("@")[2] == self.domain for each in self.recipients)


def judge(facts: DeliveryFacts) -> tuple[Verdict, tuple[Finding, ...]]:
    """Return the verdict with its findings."""
    hop = facts.entry.hop
    rejection = _rejection(facts)
    if rejection is not None or hop is None or hop.received_at is None:
        return Verdict.UNKNOWN, (rejection or Finding("delivery-message.undated", {}),)
    place = _place(hop)
    if facts.is_listed or facts.is_weak or facts.is_named:
        cautions = [*_cautions(facts, hop)]
        verdict = Verdict.WARN if cautions else Verdict.PASS
        return verdict, (_through(facts, hop), *cautions, *_informational(facts, hop))
    if facts.other_region:
        params = place | {"region": facts.other_region, "expected": facts.region.id}
        return Verdict.FAIL, (Finding("delivery-message.other-region", params),)
    if facts.sender:
        params = place | {"sender": facts.sender}
        return Verdict.FAIL, (Finding("delivery-message.direct", params),)
    return Verdict.UNKNOWN, (_outside(facts, hop),)


def _rejection(facts: DeliveryFacts) -> Finding | None:
    """Return the reason why the message proves nothing about the domain's delivery, or None."""
    if not facts.recipients:
        return Finding("delivery-message.no-recipient", {"expected": facts.domain})
    if not facts.is_for_domain:
        found = sorted({each.rpartition("@")[2] for each in facts.recipients})
        params = {"names": found, "expected": facts.domain}
        return Finding("delivery-message.other-domain", params)
    if facts.entry.hop is None:
        return _problem(facts.entry)
    received_at = facts.entry.hop.received_at
    if received_at is not None and received_at > facts.at + CLOCK_SKEW:
        return Finding("delivery-message.future", {"received_at": _iso(received_at)})
    return None


def _problem(entry: Entry) -> Finding:
    params = {"system": entry.kind.value}
    match entry.problem:
        case "no-lines":
            return Finding("delivery-message.no-lines", {})
        case "other-system":
            return Finding("delivery-message.other-system", params)
        case "hidden-address" | "no-address":
            return Finding("delivery-message.hidden-address", params)
    return Finding("delivery-message.no-entry", params)


def _place(hop: ReceivedHop) -> dict[str, str]:
    return {"address": address_text(hop.address), "host": hop.helo}


def _through(facts: DeliveryFacts, hop: ReceivedHop) -> Finding:
    params = _place(hop) | {
        "route": facts.route or hop.by,
        "received_at": _iso(hop.received_at) if hop.received_at else "",
    }
    return Finding("delivery-message.through-region", params)


def _cautions(facts: DeliveryFacts, hop: ReceivedHop) -> Iterator[Finding]:
    if not facts.is_listed:
        if facts.is_weak:
            yield Finding("delivery-message.weak-range", _range_params(facts, hop))
        else:
            yield Finding("delivery-message.named-only", _place(hop))
    if not facts.route:
        yield Finding("delivery-message.route-unclear", {"host": hop.by})


def _informational(facts: DeliveryFacts, hop: ReceivedHop) -> Iterator[Finding]:
    if (
        facts.switched_at is not None
        and hop.received_at is not None
        and hop.received_at < facts.switched_at
    ):
        params = {"received_at": _iso(hop.received_at), "switched_at": _iso(facts.switched_at)}
        yield Finding("delivery-message.before-switch", params)


def _outside(facts: DeliveryFacts, hop: ReceivedHop) -> Finding:
    if not facts.has_ranges:
        return Finding("delivery-message.no-ranges", _place(hop) | {"region": facts.region.id})
    return Finding("delivery-message.outside-ranges", _place(hop))


def _range_params(facts: DeliveryFacts, hop: ReceivedHop) -> dict[str, str]:
    region = facts.region
    within = [n for n in region.delivery_networks if hop.address in ip_network(n, strict=False)]
    # A narrower range is the more exact statement about the address.
    narrowest = max(within, key=lambda n: ip_network(n, strict=False).prefixlen, default="")
    confidence, as_of = region.delivery_basis(narrowest)
    return {"address": address_text(hop.address), "confidence": confidence, "as_of": as_of}


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
