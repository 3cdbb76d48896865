"""The engine's vocabulary: what a look at one subject says, without prose and without Django."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a look says. UNKNOWN is our ignorance and never the client's mistake."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"

    @property
    def is_passing(self) -> bool:
        """WARN says yes with a caution worth reading: it completes a task as PASS does."""
        return self in (Verdict.PASS, Verdict.WARN)


# Worst first: what a subject is worth when its parts differ, and which exit status a probe takes.
SEVERITY = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS, Verdict.NOT_APPLICABLE)


class CheckKind(StrEnum):
    """The questions the engine can ask. The value is the word everywhere, from JSON to CSS."""

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


# Greetings often carry the time or a session's id, and what resolvers hold counts down.
VOLATILE_EVIDENCE = frozenset({"greeting", "ehlo", "resolvers"})


@dataclass(frozen=True)
class Finding:
    """One thing seen: a stable code such as `spf.permerror` and the values its sentence needs."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The judged answer to one question about one subject.

    `evidence` holds what the verdict rests on, as plain JSON values. `unanimous` is true when
    every server that ought to know was asked, answered, and said the same; only such an answer
    may ever move a task.
    """

    kind: CheckKind
    subject: str
    verdict: Verdict
    findings: Sequence[Finding] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    unanimous: bool = True
    # Every question of the look with its answer (checks.engine.recording), where it was recorded.
    raw: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def stable_evidence(self) -> dict[str, Any]:
        """The evidence without what differs from one moment to the next while it says the same."""
        return {key: value for key, value in self.evidence.items() if key not in VOLATILE_EVIDENCE}

    def with_findings(self, more: Sequence[Finding]) -> Outcome:
        """The same outcome with more seen beside it; its verdict stays."""
        return replace(self, findings=(*self.findings, *more))


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The most severe of several verdicts; NOT_APPLICABLE when there are none."""
    return min(verdicts, key=SEVERITY.index, default=Verdict.NOT_APPLICABLE)
