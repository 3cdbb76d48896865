"""Judge a message. Pure: everything is already fetched and verified.

Anybody can edit a pasted text. Proof is a signature of the recorded selector, with a signed time,
that verifies against the published key. The Received lines, and all facts derived from them, are
text: they can only add a caution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from checks.engine.addresses import address_text
from checks.engine.dns.consensus import ServerVerdict
from checks.engine.dns.public_suffix import organisational_domain
from checks.engine.expected_values import DkimSelector
from checks.engine.mail.message_parser import ReceivedHop
from checks.engine.mail.message_signatures import DkimSignature, SignatureState
from checks.engine.outcomes import Finding, Verdict
from checks.engine.spf.check_host import SpfResult


@dataclass(frozen=True)
class DeliveryPath:
    """The path of the message by its Received lines.

    `networks_known` is False when the region's ranges could not be determined, and `has_lines`
    without any Received line.
    """

    handover: ReceivedHop | None
    is_region: bool
    networks_known: bool
    has_lines: bool = True


@dataclass(frozen=True)
class SenderSpf:
    """SPF of the envelope sender at the address of the handover; None when it is not known."""

    sender: str
    result: SpfResult | None

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]


@dataclass(frozen=True)
class SenderDmarc:
    """The DMARC record for the sender's domain. `is_published` is None when the lookup failed.

    `organisations` are the organisational domains by RFC 9989, without those that are not known.
    """

    is_published: bool | None
    strict_dkim: bool = False
    strict_spf: bool = False
    organisations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MessageFacts:
    """The facts of a message. `at` is the time of the run.

    A message from before `not_before`, or older than `max_age_days`, proves nothing. `dated_at` is
    the unverified time of the Date line, for unsigned messages.
    """

    domain: str
    selectors: tuple[DkimSelector, ...]
    has_body: bool
    signatures: tuple[DkimSignature, ...]
    path: DeliveryPath
    spf: SenderSpf
    dmarc: SenderDmarc
    at: datetime
    max_age_days: int
    not_before: datetime | None = None
    dated_at: datetime | None = None
    has_attached_message: bool = False

    @property
    def selector_signatures(self) -> list[DkimSignature]:
        """The signatures that name a recorded selector, valid or not."""
        names = {selector.name for selector in self.selectors}
        return [s for s in self.signatures if s.domain == self.domain and s.selector in names]

    @property
    def proofs(self) -> list[DkimSignature]:
        return [
            s
            for s in self.selector_signatures
            if s.is_valid and staleness_finding(s.signed_at, self) is None
        ]


def staleness_finding(sent_at: datetime | None, facts: MessageFacts) -> Finding | None:
    """Return the reason why a message of that time proves nothing about today, or None."""
    if sent_at is None:
        return Finding("message.undated", {})
    sent_text = sent_at.isoformat(timespec="seconds")
    # Before the age: a message from before the cutover is useless at any age.
    if facts.not_before is not None and sent_at < facts.not_before:
        cutover = facts.not_before.isoformat(timespec="seconds")
        return Finding("message.before-cutover", {"sent_at": sent_text, "cutover": cutover})
    if sent_at < facts.at - timedelta(days=facts.max_age_days):
        return Finding("message.too-old", {"sent_at": sent_text, "days": facts.max_age_days})
    return None


def judge(facts: MessageFacts) -> tuple[ServerVerdict, bool]:
    """Return the verdict with findings, and whether it is certain enough to change a task."""
    judged, is_certain = _judge_signatures(facts)
    if dmarc_verdict(facts) is Verdict.WARN:
        judged = replace(judged, findings=(*judged.findings, _alignment_difference(facts)))
    return judged, is_certain


def _judge_signatures(facts: MessageFacts) -> tuple[ServerVerdict, bool]:
    if facts.proofs:
        cautions = [*_cautions(facts, facts.proofs[0])]
        verdict = Verdict.WARN if cautions else Verdict.PASS
        return ServerVerdict(
            verdict, (_signed(facts.proofs[0]), *cautions, *_informational(facts))
        ), True
    if not facts.selectors:
        return _unknown(Finding("message.no-selector", {"domain": facts.domain}))
    if not facts.has_body:
        return _unknown(Finding("message.no-body", {}))
    if facts.selector_signatures:
        return _judge_without_proof(facts, facts.selector_signatures)
    # Copying often breaks a signature. Without its tags, its selector is unknown, so nothing is
    # proved either way.
    if any(s.state is SignatureState.OTHER_KEY_TYPE for s in facts.signatures):
        found = next(s for s in facts.signatures if s.state is SignatureState.OTHER_KEY_TYPE)
        return _unknown(_unproved_finding(found))
    if any(s.state is SignatureState.MALFORMED for s in facts.signatures):
        return _unknown(Finding("message.signature-unreadable", {}))
    if any(s.state is SignatureState.NOT_CHECKED for s in facts.signatures):
        return _unknown(Finding("message.too-many-signatures", {"count": len(facts.signatures)}))
    return _judge_other_signer(facts)


def _unknown(finding: Finding) -> tuple[ServerVerdict, bool]:
    return ServerVerdict(Verdict.UNKNOWN, (finding,)), False


def _judge_without_proof(
    facts: MessageFacts, selector_signatures: Sequence[DkimSignature]
) -> tuple[ServerVerdict, bool]:
    """Judge signatures of recorded selectors without proof.

    An edited or old text is not the client's fault, so it is UNKNOWN. A missing key is FAIL but not
    certain, because only one resolver was queried. The dkim check queries all servers.
    """
    best = min(selector_signatures, key=lambda s: _BEST_FIRST.index(s.state))
    name = best.name
    match best.state:
        case SignatureState.VALID:
            reason = staleness_finding(best.signed_at, facts)
            return _unknown(reason or Finding("message.undated", {}))
        case SignatureState.KEY_MISSING:
            return ServerVerdict(
                Verdict.FAIL, (Finding("message.key-missing", {"name": name}),)
            ), False
        case SignatureState.KEY_UNUSABLE:
            params = {"name": name, "problem": str(best.detail)}
            return ServerVerdict(Verdict.FAIL, (Finding("message.key-unusable", params),)), False
        case SignatureState.IDENTITY_NOT_ALLOWED:
            params = {"name": name, "identity": best.identity_domain, "domain": best.domain}
            finding = Finding("message.identity-not-allowed", params)
            return ServerVerdict(Verdict.FAIL, (finding,)), False
    return _unknown(_unproved_finding(best))


# Of several signatures of recorded selectors, the finding names the one nearest to a proof.
_BEST_FIRST = (
    SignatureState.VALID,
    SignatureState.KEY_UNANSWERED,
    SignatureState.OTHER_KEY_TYPE,
    SignatureState.EXPIRED,
    SignatureState.FUTURE,
    SignatureState.BODY_ALTERED,
    SignatureState.HEADERS_ALTERED,
    SignatureState.MALFORMED,
    SignatureState.IDENTITY_NOT_ALLOWED,
    SignatureState.KEY_UNUSABLE,
    SignatureState.KEY_MISSING,
    SignatureState.NOT_CHECKED,
    SignatureState.FOREIGN,
)


def _unproved_finding(signature: DkimSignature) -> Finding:
    name = signature.name
    match signature.state:
        case SignatureState.KEY_UNANSWERED:
            return Finding("message.key-unanswered", {"name": name, "reason": signature.detail})
        case SignatureState.OTHER_KEY_TYPE:
            return Finding("message.other-key-type", {"name": name})
        case SignatureState.EXPIRED:
            return Finding(
                "message.signature-expired", {"name": name, "expired_at": signature.detail}
            )
        case SignatureState.FUTURE:
            return Finding("message.signature-future", {"name": name})
        case SignatureState.BODY_ALTERED:
            return Finding("message.body-altered", {"name": name})
        case SignatureState.HEADERS_ALTERED:
            return Finding("message.headers-altered", {"name": name})
        case SignatureState.NOT_CHECKED:
            return Finding("message.too-many-signatures", {"count": 1})
    return Finding("message.signature-unreadable", {})


def _judge_other_signer(facts: MessageFacts) -> tuple[ServerVerdict, bool]:
    """Judge a message without a signature of a recorded selector.

    Another valid signature of the organisation proves that the message is genuine and complete. So
    it certainly left by another path. An unsigned message is only text.
    """
    others = [s for s in facts.signatures if s.is_valid]
    fresh = [s for s in others if staleness_finding(s.signed_at, facts) is None]
    expected = [f"{s.name}._domainkey.{facts.domain}" for s in facts.selectors]
    if fresh:
        params = {"names": [s.name for s in fresh], "selectors": expected}
        return ServerVerdict(Verdict.FAIL, (Finding("message.other-signer", params),)), True
    if not others and facts.has_attached_message:
        # Forwarded as an attachment, which a mail system inside one organisation does not sign.
        both = {"found": facts.domain, "expected": facts.domain}
        return _unknown(Finding("message.forwarded", both))
    if not others and not facts.path.has_lines:
        # RFC 5321 section 4.4: every server on the way adds a Received line. A copy in the folder
        # of sent messages has none, nor has a signature been added to it.
        return _unknown(Finding("message.not-received", {}))
    sent_at = others[0].signed_at if others else facts.dated_at
    reason = staleness_finding(sent_at, facts)
    if reason is not None and (others or sent_at is not None):
        return _unknown(reason)
    return ServerVerdict(
        Verdict.FAIL, (Finding("message.unsigned", {"selectors": expected}),)
    ), False


def _signed(proof: DkimSignature) -> Finding:
    sent_at = proof.signed_at.isoformat(timespec="seconds") if proof.signed_at else ""
    return Finding("message.signed", {"name": proof.name, "sent_at": sent_at})


def _cautions(facts: MessageFacts, proof: DkimSignature) -> Iterator[Finding]:
    if proof.length is not None:
        yield Finding("message.partly-signed", {"name": proof.name, "length": proof.length})
    if proof.is_testing:
        yield Finding("message.testing-key", {"name": proof.name})
    hop = facts.path.handover
    if hop is None:
        yield Finding("message.no-path", {})
    elif facts.path.networks_known and not facts.path.is_region:
        yield Finding(
            "message.other-path", {"address": address_text(hop.address), "host": hop.helo}
        )
    # A temporary DNS error is no caution: the message itself is proved by its signature.
    if facts.spf.result not in (None, SpfResult.PASS, SpfResult.TEMPERROR):
        params = {
            "result": str(facts.spf.result),
            "sender": facts.spf.sender,
            "address": address_text(hop.address) if hop is not None else "",
        }
        yield Finding("message.spf-not-pass", params)


def _informational(facts: MessageFacts) -> Iterator[Finding]:
    hop = facts.path.handover
    if hop is not None and facts.path.is_region:
        yield Finding(
            "message.through-region", {"address": address_text(hop.address), "host": hop.helo}
        )
    others = [s.name for s in facts.signatures if s.is_valid and s not in facts.selector_signatures]
    if others:
        yield Finding("message.also-signed", {"names": list(dict.fromkeys(others))})


# --- Verdicts of single facts, for the page


def signature_verdict(facts: MessageFacts) -> Verdict:
    """Return the verdict on the signatures of the recorded selectors."""
    # The signature passes although the message may be too old: age is a fact of its own.
    if any(s.is_valid for s in facts.selector_signatures):
        return Verdict.PASS
    return judge(facts)[0].verdict


def age_verdict(facts: MessageFacts) -> Verdict:
    """Return PASS if a signature proves a recent time, else UNKNOWN."""
    if facts.proofs:
        return Verdict.PASS
    return Verdict.UNKNOWN


def path_verdict(facts: MessageFacts) -> Verdict:
    """Return FAIL if the message left from outside the known networks of the region."""
    if facts.path.is_region:
        return Verdict.PASS
    if facts.path.handover is None or not facts.path.networks_known:
        return Verdict.UNKNOWN
    return Verdict.FAIL


def spf_verdict(facts: MessageFacts) -> Verdict:
    """Return the verdict on SPF. An error of DNS is UNKNOWN."""
    match facts.spf.result:
        case None | SpfResult.TEMPERROR:
            return Verdict.UNKNOWN
        case SpfResult.PASS:
            return Verdict.PASS
    return Verdict.FAIL


def is_dmarc_signed(facts: MessageFacts) -> bool:
    """Return whether a signature alone passes DMARC. SPF is no proof: it relies on text."""
    return set(_alignment(facts, _signed_names(facts))) == {Verdict.PASS}


def dmarc_verdict(facts: MessageFacts) -> Verdict:
    """Return PASS when SPF or DKIM passes for a name aligned with From (RFC 7489 section 3.1).

    WARN if the names align by only one of RFC 7489 and RFC 9989: some receivers fail the message.
    """
    if facts.dmarc.is_published is None:
        return Verdict.UNKNOWN
    alignment = {*_alignment(facts, [*_signed_names(facts), *_spf_names(facts)])}
    if Verdict.UNKNOWN in alignment:
        return Verdict.UNKNOWN
    if Verdict.PASS in alignment:
        return Verdict.PASS if alignment == {Verdict.PASS} else Verdict.WARN
    # Copying can break a signature that was valid on arrival, so such a message proves no failure.
    is_conclusive = facts.has_body and not any(s.state in _COULD_BE_VALID for s in facts.signatures)
    return (
        Verdict.FAIL
        if is_conclusive and spf_verdict(facts) is not Verdict.UNKNOWN
        else Verdict.UNKNOWN
    )


_COULD_BE_VALID = {
    SignatureState.KEY_UNANSWERED,
    SignatureState.OTHER_KEY_TYPE,
    SignatureState.NOT_CHECKED,
    SignatureState.BODY_ALTERED,
    SignatureState.HEADERS_ALTERED,
    SignatureState.MALFORMED,
}


# Names that pass, each with whether its alignment is strict.
_Names = Sequence[tuple[str, bool]]


def _signed_names(facts: MessageFacts) -> _Names:
    return [(s.domain, facts.dmarc.strict_dkim) for s in facts.signatures if s.is_valid]


def _spf_names(facts: MessageFacts) -> _Names:
    has_passed = facts.spf.result is SpfResult.PASS
    return [(facts.spf.domain, facts.dmarc.strict_spf)] if has_passed else []


def _alignment(facts: MessageFacts, names: _Names) -> tuple[Verdict, Verdict]:
    """Return whether any name aligns with From: by RFC 7489, and by RFC 9989."""
    by_list = [_by_suffix_list(name, facts, strict=strict) for name, strict in names]
    by_walk = [_by_walk(name, facts, strict=strict) for name, strict in names]
    return _best(by_list), _best(by_walk)


def _best(verdicts: Sequence[Verdict]) -> Verdict:
    order = (Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL)
    return min(verdicts, key=order.index, default=Verdict.FAIL)


def _by_suffix_list(name: str, facts: MessageFacts, *, strict: bool) -> Verdict:
    """RFC 7489 section 3.1: the names are equal if strict, else of one organisation."""
    same = organisational_domain(name) == organisational_domain(facts.domain)
    return Verdict.PASS if name == facts.domain or (same and not strict) else Verdict.FAIL


def _by_walk(name: str, facts: MessageFacts, *, strict: bool) -> Verdict:
    """RFC 9989 section 4.10.2: as above, with the organisational domain of the tree walk."""
    if name == facts.domain or strict:
        return Verdict.PASS if name == facts.domain else Verdict.FAIL
    found = facts.dmarc.organisations
    if name not in found or facts.domain not in found:
        return Verdict.UNKNOWN
    return Verdict.PASS if found[name] == found[facts.domain] else Verdict.FAIL


def _alignment_difference(facts: MessageFacts) -> Finding:
    names = [*_signed_names(facts), *_spf_names(facts)]
    by_list, _ = _alignment(facts, names)
    params = {
        "names": list(dict.fromkeys(name for name, _ in names)),
        "domain": facts.domain,
        "aligned_by": "RFC 7489" if by_list is Verdict.PASS else "RFC 9989",
        "not_by": "RFC 9989" if by_list is Verdict.PASS else "RFC 7489",
    }
    return Finding("message.alignment-differs", params)
