"""The monitored domains and hosts of a tenant, by kind of drift."""

from __future__ import annotations

from dataclasses import dataclass, field

from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.models.monitoring import DRIFT_OF_CHECK
from onboarding.plans.current_state import CurrentState, SubjectStatus
from onboarding.plans.tenant_page import TenantPage


@dataclass(frozen=True)
class MonitoredSubject:
    """A domain or a host with the current state of its check."""

    check: Check
    state: CurrentState

    @property
    def name(self) -> str:
        return self.check.subject

    @property
    def matches(self) -> bool:
        """Whether it matches the baseline. Without an MTA-STS policy nothing is enforced."""
        is_not_applicable = self.state.status is SubjectStatus.NOT_APPLICABLE
        return self.state.is_verified or (
            is_not_applicable and self.check.kind == CheckKind.MTA_STS
        )


@dataclass(frozen=True)
class MonitoredKind:
    """The subjects of one kind by state: matching, drifted, or neither."""

    label: str
    matching: list[MonitoredSubject] = field(default_factory=list)
    drifted: list[MonitoredSubject] = field(default_factory=list)
    not_verified: list[MonitoredSubject] = field(default_factory=list)

    def column_of(self, subject: MonitoredSubject) -> list[MonitoredSubject]:
        if subject.state.is_drifted:
            return self.drifted
        return self.matching if subject.matches else self.not_verified

    @property
    def check_label(self) -> str:
        """The name of the check, such as “MX TTL”."""
        subjects = (*self.matching, *self.drifted, *self.not_verified)
        return str(subjects[0].check.get_kind_display()) if subjects else ""

    @property
    def total(self) -> int:
        return len(self.matching) + len(self.drifted) + len(self.not_verified)


def monitored_kinds(page: TenantPage) -> list[MonitoredKind]:
    """The kinds with at least one subject, from the checks that the page has loaded.

    The TTL of a domain is monitored after its MX switch: before it, the TTL is to be lowered.
    """
    switched = {
        check.domain_id
        for check in page.plan_context.checks
        if check.kind == CheckKind.MX and check.first_verified_at is not None
    }
    rows = {kind: MonitoredKind(kind.label) for kind in DRIFT_OF_CHECK.values()}
    for check in page.plan_context.checks:
        kind = DRIFT_OF_CHECK.get(CheckKind(check.kind))
        is_before_switch = check.kind == CheckKind.MX_TTL and check.domain_id not in switched
        if kind is not None and not is_before_switch:
            subject = MonitoredSubject(check, page.state_of(check))
            rows[kind].column_of(subject).append(subject)
    return [row for row in rows.values() if row.total]
