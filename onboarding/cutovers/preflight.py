"""The pre-flight check of one domain of a cutover. It uses no network and records nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from checks.engine.outcomes import Verdict
from checks.engine.preflight import InvalidZoneText, parse_zone_text
from checks.engine.zone_text import ZoneNote, ZoneText
from checks.preflight import PreflightResult, run_preflight
from checks.queries import checks_of
from onboarding.errors import OnboardingError
from onboarding.plans.rows import SHAPE_OF_VERDICT, Shape
from tenants.models import Domain, Tenant

PREFLIGHT_LIMIT = ("preflight", "30/m")


@dataclass(frozen=True)
class PreflightRow:
    """One check's answer, as the page shows it."""

    label: str
    verdict: Verdict
    findings: list[dict[str, Any]]
    is_affected: bool = True

    @property
    def shape(self) -> Shape:
        return SHAPE_OF_VERDICT[self.verdict]


@dataclass(frozen=True)
class CheckedProposal:
    """The answers of the checks, and the notes about the pasted lines, prominent ones first."""

    rows: list[PreflightRow]
    notes: list[ZoneNote]


class UnusableProposal(OnboardingError):
    """No check can judge the records. `notes` are the notes about their lines."""

    field = "records"

    def __init__(self, reason: str, notes: Sequence[ZoneNote] = ()) -> None:
        super().__init__(reason)
        self.notes = list(notes)


def check_proposal(tenant: Tenant, domain: Domain, records: str, policy: str) -> CheckedProposal:
    """Judge the records as if they were published. Raises UnusableProposal."""
    read = parse_zone_text(records, domain.name)
    if isinstance(read, InvalidZoneText):
        raise UnusableProposal(f"This is no valid zone text: {read.problem}.")
    notes = sorted(read.notes, key=lambda note: (not note.is_prominent, note.lines))
    problem = _problem_of(read, records, domain)
    if problem:
        raise UnusableProposal(problem, notes)
    checks = checks_of(tenant).filter(domain=domain).select_related("tenant", "latest__raw")
    results = run_preflight(list(checks), read.records, policy=policy.encode() or None)
    return CheckedProposal([_row(each) for each in results], notes)


def _problem_of(read: ZoneText, text: str, domain: Domain) -> str:
    """The reason why the text cannot be checked; empty without one."""
    if text and not read.records:
        return "It has no MX, TXT or CNAME record."
    outside = {name for note in read.notes if note.code == "outside" for name in note.names}
    if text and outside and outside == {owner for owner, _ in read.records}:
        names = ", ".join(sorted(outside)[:3])
        return (
            f"Every line is outside {domain}: no check reads {names}. Write complete names with a"
            " final dot, or @ for the domain."
        )
    return ""


def _row(result: PreflightResult) -> PreflightRow:
    parts = (result.check.get_kind_display(), result.check.proposed_label)
    label = " · ".join(part for part in parts if part)
    if result.outcome is None:
        return PreflightRow(label, Verdict.UNKNOWN, [])
    if not result.is_affected:
        # Today's verdict would appear as the verdict on the proposed records.
        return PreflightRow(label, Verdict.NOT_APPLICABLE, [], is_affected=False)
    found = [{"code": f.code, "params": dict(f.params)} for f in result.outcome.findings]
    return PreflightRow(label, result.outcome.verdict, found)
