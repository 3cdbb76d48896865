"""What a message proves. Pure: everything was fetched and verified before.

A pasted text can say anything. Proof is a signature that verifies now against the key which the
domain publishes, made by the selector on record, at a moment the signer itself put under it. The
Received lines and all that is worked out from them are text, and only ever add a caution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.engine.expectations import Selector
from checks.engine.message_parts import Hop
from checks.engine.message_signatures import Signature, State
from checks.engine.organisations import organisational_domain
from checks.engine.outcomes import Finding, Verdict
from checks.engine.servers import Opinion
from checks.engine.spf_check_host import Result


@dataclass(frozen=True)
class Path:
    """Which way the message came, by its Received lines. `networks_known`: the region's ranges."""

    handed_over: Hop | None
    is_region: bool
    networks_known: bool


@dataclass(frozen=True)
class SpfSeen:
    """SPF of the envelope sender at the address that handed over; None where it cannot be asked."""

    sender: str
    result: Result | None


@dataclass(frozen=True)
class DmarcSeen:
    """The record that holds for the sender's domain. None: DNS did not say."""

    is_published: bool | None
    strict_dkim: bool = False
    strict_spf: bool = False


@dataclass(frozen=True)
class Facts:
    """All that is judged. `at` is the moment of the look; a message before `not_before` or older
    than `most_days` proves nothing. `dated_at` is the Date line's word, for unsigned messages."""

    domain: str
    selectors: tuple[Selector, ...]
    has_body: bool
    signatures: tuple[Signature, ...]
    path: Path
    spf: SpfSeen
    dmarc: DmarcSeen
    at: datetime
    most_days: int
    not_before: datetime | None = None
    dated_at: datetime | None = None

    @property
    def of_record(self) -> list[Signature]:
        """The signatures that claim to be made by a selector on record."""
        names = {selector.name for selector in self.selectors}
        return [s for s in self.signatures if s.domain == self.domain and s.selector in names]

    @property
    def proofs(self) -> list[Signature]:
        return [s for s in self.of_record if s.is_valid and stale(s.signed_at, self) is None]


def stale(sent_at: datetime | None, facts: Facts) -> Finding | None:
    """Why a message of that moment proves nothing about today, or None."""
    if sent_at is None:
        return Finding("message.undated", {})
    shown = sent_at.isoformat(timespec="seconds")
    if facts.not_before is not None and sent_at < facts.not_before:
        cutover = facts.not_before.isoformat(timespec="seconds")
        return Finding("message.before-cutover", {"sent_at": shown, "cutover": cutover})
    if sent_at < facts.at - timedelta(days=facts.most_days):
        return Finding("message.too-old", {"sent_at": shown, "days": facts.most_days})
    return None


def judge(facts: Facts) -> tuple[Opinion, bool]:
    """The opinion, and whether it is certain enough to move a task."""
    if facts.proofs:
        cautions = [*_cautions(facts, facts.proofs[0])]
        verdict = Verdict.WARN if cautions else Verdict.PASS
        return Opinion(verdict, (_signed(facts.proofs[0]), *cautions, *_remarks(facts))), True
    if not facts.selectors:
        return _unknown(Finding("message.no-selector", {"domain": facts.domain}))
    if not facts.has_body:
        return _unknown(Finding("message.no-body", {}))
    if facts.of_record:
        return _without_proof(facts, facts.of_record)
    if any(s.state is State.MALFORMED for s in facts.signatures):
        return _unknown(Finding("message.signature-unreadable", {}))
    if any(s.state is State.NOT_CHECKED for s in facts.signatures):
        return _unknown(Finding("message.too-many-signatures", {"count": len(facts.signatures)}))
    return _by_somebody_else(facts)


def _unknown(finding: Finding) -> tuple[Opinion, bool]:
    return Opinion(Verdict.UNKNOWN, (finding,)), False


def _without_proof(facts: Facts, of_record: Sequence[Signature]) -> tuple[Opinion, bool]:
    """A signature of record that proves nothing. An edited or old text is nobody's fault, and a
    key that one resolver misses is for the dkim check to settle."""
    best = min(of_record, key=lambda s: _NEAREST.index(s.state))
    name = best.name
    match best.state:
        case State.VALID:
            reason = stale(best.signed_at, facts)
            return _unknown(reason or Finding("message.undated", {}))
        case State.KEY_MISSING:
            return Opinion(Verdict.FAIL, (Finding("message.key-missing", {"name": name}),)), False
        case State.KEY_UNUSABLE:
            params = {"name": name, "problem": best.detail}
            return Opinion(Verdict.FAIL, (Finding("message.key-unusable", params),)), False
    return _unknown(_why_unproved(best))


# Of several signatures of record the one that came nearest to a proof is told of.
_NEAREST = (
    State.VALID,
    State.KEY_UNANSWERED,
    State.EXPIRED,
    State.FUTURE,
    State.BODY_ALTERED,
    State.HEADERS_ALTERED,
    State.MALFORMED,
    State.KEY_UNUSABLE,
    State.KEY_MISSING,
    State.NOT_CHECKED,
    State.FOREIGN,
)


def _why_unproved(signature: Signature) -> Finding:
    name = signature.name
    match signature.state:
        case State.KEY_UNANSWERED:
            return Finding("message.key-unanswered", {"name": name, "reason": signature.detail})
        case State.EXPIRED:
            return Finding(
                "message.signature-expired", {"name": name, "expired_at": signature.detail}
            )
        case State.FUTURE:
            return Finding("message.signature-future", {"name": name})
        case State.BODY_ALTERED:
            return Finding("message.body-altered", {"name": name})
        case State.HEADERS_ALTERED:
            return Finding("message.headers-altered", {"name": name})
        case State.NOT_CHECKED:
            return Finding("message.too-many-signatures", {"count": 1})
    return Finding("message.signature-unreadable", {})


def _by_somebody_else(facts: Facts) -> tuple[Opinion, bool]:
    """No signature of record. Another valid one of the organisation shows that the message is
    genuine and complete, and so certainly went another way; unsigned, it is text."""
    others = [s for s in facts.signatures if s.is_valid]
    fresh = [s for s in others if stale(s.signed_at, facts) is None]
    expected = [f"{s.name}._domainkey.{facts.domain}" for s in facts.selectors]
    if fresh:
        params = {"names": [s.name for s in fresh], "selectors": expected}
        return Opinion(Verdict.FAIL, (Finding("message.other-signer", params),)), True
    sent_at = others[0].signed_at if others else facts.dated_at
    reason = stale(sent_at, facts)
    if reason is not None and (others or sent_at is not None):
        return _unknown(reason)
    return Opinion(Verdict.FAIL, (Finding("message.unsigned", {"selectors": expected}),)), False


def _signed(proof: Signature) -> Finding:
    sent_at = proof.signed_at.isoformat(timespec="seconds") if proof.signed_at else ""
    return Finding("message.signed", {"name": proof.name, "sent_at": sent_at})


def _cautions(facts: Facts, proof: Signature) -> Iterator[Finding]:
    if proof.length is not None:
        yield Finding("message.partly-signed", {"name": proof.name, "length": proof.length})
    if proof.is_testing:
        yield Finding("message.testing-key", {"name": proof.name})
    hop = facts.path.handed_over
    if hop is None:
        yield Finding("message.no-path", {})
    elif facts.path.networks_known and not facts.path.is_region:
        yield Finding("message.other-path", {"address": str(hop.address), "host": hop.helo})
    if facts.spf.result not in (None, Result.PASS, Result.TEMPERROR):
        params = {
            "result": str(facts.spf.result),
            "sender": facts.spf.sender,
            "address": str(hop.address) if hop is not None else "",
        }
        yield Finding("message.spf-not-pass", params)
    if dmarc_verdict(facts) is Verdict.FAIL:
        yield Finding("message.dmarc-fails", {"domain": facts.domain})


def _remarks(facts: Facts) -> Iterator[Finding]:
    hop = facts.path.handed_over
    if hop is not None and facts.path.is_region:
        yield Finding("message.through-region", {"address": str(hop.address), "host": hop.helo})
    others = [s.name for s in facts.signatures if s.is_valid and s not in facts.of_record]
    if others:
        yield Finding("message.also-signed", {"names": list(dict.fromkeys(others))})


# --- Fact by fact, for the page


def signature_verdict(facts: Facts) -> Verdict:
    if any(s.is_valid for s in facts.of_record):
        return Verdict.PASS
    return judge(facts)[0].verdict


def age_verdict(facts: Facts) -> Verdict:
    if facts.proofs:
        return Verdict.PASS
    return Verdict.UNKNOWN


def path_verdict(facts: Facts) -> Verdict:
    if facts.path.is_region:
        return Verdict.PASS
    if facts.path.handed_over is None or not facts.path.networks_known:
        return Verdict.UNKNOWN
    return Verdict.FAIL


def spf_verdict(facts: Facts) -> Verdict:
    match facts.spf.result:
        case None | Result.TEMPERROR:
            return Verdict.UNKNOWN
        case Result.PASS:
            return Verdict.PASS
    return Verdict.FAIL


def is_dmarc_signed(facts: Facts) -> bool:
    """Whether a signature carries DMARC; SPF rests on text."""
    return any(
        s.is_valid and is_aligned(s.domain, facts.domain, strict=facts.dmarc.strict_dkim)
        for s in facts.signatures
    )


def dmarc_verdict(facts: Facts) -> Verdict:
    """RFC 7489 section 3.1: one of the two must pass for a name that is aligned with From."""
    if facts.dmarc.is_published is None:
        return Verdict.UNKNOWN
    sender = facts.spf.sender.rpartition("@")[2]
    by_spf = facts.spf.result is Result.PASS and is_aligned(
        sender, facts.domain, strict=facts.dmarc.strict_spf
    )
    if is_dmarc_signed(facts) or by_spf:
        return Verdict.PASS
    is_told = facts.has_body and not any(s.state in _COULD_BE_VALID for s in facts.signatures)
    return (
        Verdict.FAIL if is_told and spf_verdict(facts) is not Verdict.UNKNOWN else Verdict.UNKNOWN
    )


_COULD_BE_VALID = {
    State.KEY_UNANSWERED,
    State.NOT_CHECKED,
    State.BODY_ALTERED,
    State.HEADERS_ALTERED,
    State.MALFORMED,
}


def is_aligned(name: str, sender: str, *, strict: bool) -> bool:
    """RFC 7489 section 3.1: equal, or with relaxed alignment of one organisation."""
    if strict:
        return name == sender
    return organisational_domain(name) == organisational_domain(sender)
