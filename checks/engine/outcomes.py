"""The engine's result types: verdicts, findings and outcomes. They contain no prose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The result of a check. UNKNOWN means that Gangway has no answer; it is never a failure."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"

    @property
    def is_passing(self) -> bool:
        """Whether the verdict completes a task. WARN does, as PASS does, with a caution."""
        return self in (Verdict.PASS, Verdict.WARN)


# Most severe first. It decides the verdict of a subject with several parts, and the exit status of
# `probe`. FAIL precedes UNKNOWN: one certain fault is certain, regardless of the other parts.
SEVERITY = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS, Verdict.NOT_APPLICABLE)


class CheckKind(StrEnum):
    """The kinds of checks. The value is used everywhere, from JSON to CSS."""

    OWNERSHIP = "ownership"
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MTA_STS = "mta_sts"
    MX = "mx"
    MX_TTL = "mx_ttl"
    SMTP = "smtp"
    LDAPS = "ldaps"
    LOCKDOWN = "lockdown"
    MESSAGE = "message"
    DELIVERY_MESSAGE = "delivery_message"
    CONNECTION_FILTER = "connection_filter"
    INBOUND_CONNECTOR = "inbound_connector"
    OUTBOUND_CONNECTOR = "outbound_connector"
    ENHANCED_FILTERING = "enhanced_filtering"
    CLOUD_JOURNALING = "cloud_journaling"
    ACCEPTED_DOMAINS = "accepted_domains"
    CLOUD_SIGNING = "cloud_signing"


# The kinds that judge the facts of a source, such as an export of the mail platform. Their subject
# is the domain that names the organisation.
SOURCE_KINDS = frozenset(
    {
        CheckKind.CONNECTION_FILTER,
        CheckKind.INBOUND_CONNECTOR,
        CheckKind.OUTBOUND_CONNECTOR,
        CheckKind.ENHANCED_FILTERING,
        CheckKind.CLOUD_JOURNALING,
        CheckKind.ACCEPTED_DOMAINS,
        CheckKind.CLOUD_SIGNING,
    }
)
# The kinds that judge a message which a person submits. They run once for each message.
MESSAGE_KINDS = frozenset({CheckKind.MESSAGE, CheckKind.DELIVERY_MESSAGE})
# Their evidence is text that a person can edit. It supports a task and never completes one.
UNVERIFIED_KINDS = frozenset({CheckKind.DELIVERY_MESSAGE})


# These values differ between runs although nothing changed: greetings contain the time or a session
# id, the TTLs of resolvers count down, and not every worker has IPv6.
VOLATILE_EVIDENCE = frozenset({"greeting", "ehlo", "resolvers", "unqueried"})


@dataclass(frozen=True)
class Finding:
    """One detail of a verdict: a stable code such as `spf.permerror`, and its parameters."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The verdict of one check of one subject.

    `evidence` is the basis of the verdict, as plain JSON values. `unanimous` is true when every
    responsible server was queried, answered, and led to the same verdict. Only a unanimous outcome
    may change a task.
    """

    kind: CheckKind
    subject: str
    verdict: Verdict
    findings: Sequence[Finding] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    unanimous: bool = True
    # The raw answers of the run (checks.engine.recording); None when nothing was recorded.
    raw: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def stable_evidence(self) -> dict[str, Any]:
        """The evidence without the values that differ between runs of an unchanged subject."""
        return {key: value for key, value in self.evidence.items() if key not in VOLATILE_EVIDENCE}

    def with_findings(self, more: Sequence[Finding]) -> Outcome:
        """Return the outcome with additional findings and the same verdict."""
        return replace(self, findings=(*self.findings, *more))


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the most severe verdict; NOT_APPLICABLE when there are none."""
    return min(verdicts, key=SEVERITY.index, default=Verdict.NOT_APPLICABLE)
