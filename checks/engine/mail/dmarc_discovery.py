"""Which DMARC record applies to a domain, by RFC 7489 and by RFC 9989. Pure.

RFC 9989 (May 2026) obsoletes RFC 7489, and receivers will differ for years. The first finds the
organisation's record with a list of public suffixes, the second by a tree walk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checks.engine.dns.lookup import Answer, Records, sorted_values
from checks.engine.dns.public_suffix import organisational_domain
from checks.engine.mail.dmarc_records import (
    POLICIES,
    DmarcPolicy,
    InvalidDmarcRecord,
    parse,
    select,
    strictest,
)

# RFC 9989 section 4.10: a walk starts at most seven labels below the root, after the domain itself.
_MAX_LABELS = 7

Walk = Mapping[str, Answer]


@dataclass(frozen=True)
class AppliedPolicy:
    """The policy that receivers apply, and the domain of its record. Empty without a record."""

    policy: str = ""
    domain: str = ""
    record: DmarcPolicy | None = None

    @property
    def severity(self) -> int:
        return POLICIES.index(self.policy) if self.policy else -1


def records_in(answer: Answer | None) -> list[str]:
    """Return the texts of an answer that begin as a DMARC record, sorted; none for a failure."""
    return sorted_values(select(answer.values)) if isinstance(answer, Records) else []


def record_in(answer: Answer | None) -> DmarcPolicy | None:
    """Return the usable record of an answer: exactly one, and valid."""
    records = records_in(answer)
    parsed = parse(records[0]) if len(records) == 1 else None
    return None if isinstance(parsed, InvalidDmarcRecord) else parsed


def names_above(domain: str) -> list[str]:
    """Return the names of the tree walk above the domain, up to the top-level domain.

    The organisational domain by the public suffix list is always one of them, or the domain itself.
    """
    labels = domain.split(".")
    first = max(1, len(labels) - _MAX_LABELS)
    walked = [".".join(labels[start:]) for start in range(first, len(labels))]
    organisation = organisational_domain(domain)
    missing = organisation not in (domain, *walked)
    return [organisation, *walked] if missing else walked


def by_rfc_7489(domain: str, own: Answer, above: Walk) -> AppliedPolicy:
    """Return the policy by RFC 7489 section 6.6.3: of the domain, or else of the organisation."""
    record = record_in(own)
    if record is not None:
        return AppliedPolicy(record.policy, domain, record)
    organisation = organisational_domain(domain)
    # Step 5: a domain with several records, or with an unusable one, has no policy at all.
    if records_in(own) or organisation == domain:
        return AppliedPolicy()
    return _for_subdomain(organisation, record_in(above.get(organisation)))


def by_rfc_9989(domain: str, own: Answer, above: Walk) -> AppliedPolicy:
    """Return the policy by RFC 9989 section 4.10: of the domain, organisation or public suffix."""
    record = record_in(own)
    if record is not None:
        return AppliedPolicy(record.policy, domain, record)
    found = _walk(domain, above)
    for name, each in found:
        # Section 4.10.2: psd=n ends the search at the organisational domain.
        if each.psd == "n":
            return _for_subdomain(name, each)
        if each.psd == "y":
            below = _below(name, domain)
            at_organisation = dict(found).get(below)
            if at_organisation is not None:
                return _for_subdomain(below, at_organisation)
            return _for_subdomain(name, each)
    # Otherwise the record with the fewest labels is that of the organisation.
    return _for_subdomain(*found[-1]) if found else AppliedPolicy()


def _walk(domain: str, above: Walk) -> Sequence[tuple[str, DmarcPolicy]]:
    """Return the records above the domain in the order of the walk, which psd= ends."""
    found: list[tuple[str, DmarcPolicy]] = []
    for name in names_above(domain):
        record = record_in(above.get(name))
        if record is None:
            continue
        found.append((name, record))
        if record.psd in ("y", "n"):
            break
    return found


def organisation_by_rfc_9989(domain: str, own: Answer, above: Walk) -> str:
    """Return the organisational domain by the tree walk, for alignment (RFC 9989 section 4.10.2).

    Without any record, the domain itself is its organisational domain.
    """
    answers = [(domain, own), *((name, above.get(name)) for name in names_above(domain))]
    highest = domain
    for name, answer in answers:
        record = record_in(answer)
        if record is None:
            continue
        if record.psd == "n":
            return name
        if record.psd == "y":
            # The record of the start itself ends the walk, but has no name below it.
            return domain if name == domain else _below(name, domain)
        highest = name
    return highest


def _below(suffix: str, domain: str) -> str:
    """Return the name one label below the suffix, towards the domain."""
    labels = domain.split(".")
    return ".".join(labels[-(suffix.count(".") + 2) :])


def _for_subdomain(name: str, record: DmarcPolicy | None) -> AppliedPolicy:
    # RFC 7489 section 6.3: an inherited record applies its sp=, not its p=.
    return (
        AppliedPolicy() if record is None else AppliedPolicy(record.subdomain_policy, name, record)
    )


def stricter(one: AppliedPolicy, other: AppliedPolicy) -> AppliedPolicy:
    """Return the policy to prepare for: any receiver may apply the stricter one."""
    return max(one, other, key=lambda applied: applied.severity)


def next_milder(policy: str) -> str:
    """Return the policy that t=y and pct= put in the place of this one (RFC 9989 section 4.7)."""
    return POLICIES[max(0, POLICIES.index(strictest([policy])) - 1)]
