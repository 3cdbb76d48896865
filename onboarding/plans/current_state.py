"""The current state of a subject, and of a tenant. Pure, except for the two queries at the end.

A subject is one check of a domain or a host. Every page that describes a check, and every headline
about a tenant, uses these functions: docs/topics/current-state.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Subquery, Value, When

from checks.engine.outcomes import MESSAGE_KINDS, UNVERIFIED_KINDS, CheckKind, Verdict
from checks.models import Check
from checks.queries import IS_PROPOSED
from onboarding.models import Drift, Plan
from tenants.models import Tenant

# A check runs once a day at least, so an older run means that no worker is running.
STALE_AFTER = timedelta(hours=25)
_PASSING = (Verdict.PASS, Verdict.WARN)


class SubjectStatus(StrEnum):
    """The status of a subject now. The first that applies, in this order."""

    DRIFTED = "drifted"  # a drift is open
    REGRESSED = "regressed"  # settled on FAIL, verified before
    INCORRECT = "incorrect"  # settled on FAIL: a record or a host is misconfigured
    NOT_DONE = "not_done"  # settled on FAIL: the work has not been done yet
    NOT_CHECKED = "not_checked"  # no run yet
    UNKNOWN = "unknown"  # the newest run has no reliable answer, or is too old to count
    SHOWN = "shown"  # a message shows it, whose text a person can edit
    NOT_SHOWN = "not_shown"  # such a message shows the opposite
    PROPOSED = "proposed"  # correct with a value that a client proposed
    UNSETTLED = "unsettled"  # not enough runs agree yet
    CONTRADICTED = "contradicted"  # the newest run disagrees with the settled verdict
    CAUTION = "caution"  # verified, with a caution
    VERIFIED = "verified"
    NOT_APPLICABLE = "not_applicable"


_LABELS = {
    SubjectStatus.DRIFTED: "Drifted",
    SubjectStatus.REGRESSED: "Regressed",
    SubjectStatus.INCORRECT: "Incorrect",
    SubjectStatus.NOT_DONE: "Not done yet",
    SubjectStatus.NOT_CHECKED: "Not checked yet",
    SubjectStatus.UNKNOWN: "No reliable answer",
    SubjectStatus.SHOWN: "Shown by a submitted message, not verified",
    SubjectStatus.NOT_SHOWN: "Not shown by the submitted message",
    SubjectStatus.PROPOSED: "Correct, but the value is not confirmed yet",
    SubjectStatus.UNSETTLED: "Not settled yet",
    SubjectStatus.CONTRADICTED: "The last run disagrees",
    SubjectStatus.CAUTION: "Verified, with a caution",
    SubjectStatus.VERIFIED: "Verified",
    SubjectStatus.NOT_APPLICABLE: "Not applicable",
}
# No headline may be an all-clear while a subject has one of these.
FAULTS = (
    SubjectStatus.DRIFTED,
    SubjectStatus.REGRESSED,
    SubjectStatus.INCORRECT,
    SubjectStatus.NOT_DONE,
)
# The statuses behind the number of failing checks. Drifts have a number of their own.
FAILING = (SubjectStatus.REGRESSED, SubjectStatus.INCORRECT)
GAPS = (
    SubjectStatus.NOT_CHECKED,
    SubjectStatus.UNKNOWN,
    SubjectStatus.PROPOSED,
    SubjectStatus.UNSETTLED,
    SubjectStatus.CONTRADICTED,
)
VERIFIED = (SubjectStatus.VERIFIED, SubjectStatus.CAUTION)
_RUNLESS = (SubjectStatus.NOT_CHECKED,)


@dataclass(frozen=True)
class CurrentState:
    """The current state of one check of a domain or a host.

    `settled` and `newest` are the settled verdict and the verdict of the newest run; None before.
    `since` is the start of the status, where it is known. `is_stale`: the newest run is too old to
    count.
    """

    status: SubjectStatus
    # The verdict that counts now: the settled FAIL, or another settled verdict with which a recent
    # newest run agrees. UNKNOWN otherwise.
    verdict: Verdict = Verdict.UNKNOWN
    settled: Verdict | None = None
    newest: Verdict | None = None
    since: datetime | None = None
    checked_at: datetime | None = None
    next_check_at: datetime | None = None
    is_stale: bool = False

    @property
    def label(self) -> str:
        return _LABELS[self.status]

    @property
    def is_drifted(self) -> bool:
        return self.status is SubjectStatus.DRIFTED

    @property
    def is_fault(self) -> bool:
        """Whether the subject is drifted or settled on FAIL."""
        return self.status in FAULTS

    @property
    def is_verified(self) -> bool:
        """Whether the subject is verified, and the newest run agrees."""
        return self.status in VERIFIED

    @property
    def is_contradicted(self) -> bool:
        """Whether a verified subject has a newest run without a pass; it stays verified for now."""
        return self.has_passed and not self.is_verified and self.newest not in (None, *_PASSING)

    @property
    def has_passed(self) -> bool:
        """Whether the settled verdict is a pass, regardless of the newest run."""
        return self.settled is not None and self.settled.is_passing

    @property
    def has_no_answer(self) -> bool:
        """Whether the newest run of a settled FAIL has no reliable answer."""
        return self.settled is Verdict.FAIL and self.newest is Verdict.UNKNOWN


def _agrees(kind: str, settled: Verdict, newest: Verdict) -> bool:
    """PASS and WARN agree with each other, every other verdict with itself only.

    An inconclusive test message after a settled one is no disagreement.
    """
    if kind in MESSAGE_KINDS and newest is Verdict.UNKNOWN:
        return True
    return newest.is_passing if settled.is_passing else newest is settled


def current_state(
    check: Check | None,
    *,
    now: datetime,
    drifted_since: datetime | None = None,
) -> CurrentState:
    """The current state of a check.

    `drifted_since` is the time at which its open drift opened. `status_case` is the same function
    in SQL.
    """
    if check is None:
        return CurrentState(SubjectStatus.NOT_CHECKED)
    settled = check.settled.verdict
    newest = Verdict(check.latest.verdict) if check.latest is not None else None
    is_stale = _is_stale(check, now)
    status = _status(check, settled, newest, drifted_since, is_stale=is_stale)
    return CurrentState(
        status=status,
        verdict=_verdict(check, settled, newest, is_stale=is_stale),
        settled=settled,
        newest=newest,
        since=_since(check, status, drifted_since),
        checked_at=check.checked_at,
        next_check_at=None if check.needs_message else check.next_due_at,
        is_stale=is_stale,
    )


def _verdict(
    check: Check, settled: Verdict | None, newest: Verdict | None, *, is_stale: bool
) -> Verdict:
    if settled is None or newest is None or check.checked_at is None:
        return Verdict.UNKNOWN
    if settled is Verdict.FAIL:
        return settled
    return settled if _agrees(check.kind, settled, newest) and not is_stale else Verdict.UNKNOWN


def _is_stale(check: Check, now: datetime) -> bool:
    """A message check runs only when a person submits a message, so it is never stale."""
    if check.needs_message or check.checked_at is None:
        return False
    return now - check.checked_at > STALE_AFTER


def _status(
    check: Check,
    settled: Verdict | None,
    newest: Verdict | None,
    drifted_since: datetime | None,
    *,
    is_stale: bool,
) -> SubjectStatus:
    if drifted_since is not None:
        return SubjectStatus.DRIFTED
    if settled is Verdict.FAIL:
        return _status_of_fail(check)
    if newest is None:
        return SubjectStatus.NOT_CHECKED
    # An inconclusive test message after a proof is no gap.
    is_unknown = newest is Verdict.UNKNOWN and (not check.needs_message or settled is None)
    if is_unknown or is_stale:
        return SubjectStatus.UNKNOWN
    if settled is None:
        return SubjectStatus.UNSETTLED
    return _status_of_settled(check, settled, newest)


def _status_of_fail(check: Check) -> SubjectStatus:
    if check.is_unverified_text:
        return SubjectStatus.NOT_SHOWN
    # A value that a client proposed may be a typing error: no alarm.
    if check.is_proposed:
        return SubjectStatus.NOT_DONE
    if check.first_verified_at is not None:
        return SubjectStatus.REGRESSED
    return SubjectStatus.INCORRECT if check.is_misconfigured else SubjectStatus.NOT_DONE


def _status_of_settled(check: Check, settled: Verdict, newest: Verdict) -> SubjectStatus:
    if not _agrees(check.kind, settled, newest):
        return SubjectStatus.CONTRADICTED
    if settled.is_passing and check.is_unverified_text:
        return SubjectStatus.SHOWN
    if settled.is_passing and check.is_proposed:
        return SubjectStatus.PROPOSED
    return {
        Verdict.PASS: SubjectStatus.VERIFIED,
        Verdict.WARN: SubjectStatus.CAUTION,
    }.get(settled, SubjectStatus.NOT_APPLICABLE)


def _since(check: Check, status: SubjectStatus, drifted_since: datetime | None) -> datetime | None:
    match status:
        case SubjectStatus.DRIFTED:
            return drifted_since
        case SubjectStatus.CONTRADICTED:
            return check.contradicted_since or check.checked_at
        case SubjectStatus.UNKNOWN | SubjectStatus.UNSETTLED:
            return check.latest.first_seen_at if check.latest is not None else None
        case _:
            return check.settled_at


def open_drift_of_check(column: str) -> Subquery:
    """A column of the open drift of a check, as an expression over checks; NULL without one."""
    rows = Drift.objects.filter(check_asked=OuterRef("pk"), closed_at=None).order_by("opened_at")
    return Subquery(rows.values(column)[:1])


def status_case(now: datetime) -> Case:
    """`_status` as a database expression over checks, for lists of tenants.

    A test compares both for every combination.
    """
    passing = Q(settled_verdict__in=_PASSING)
    is_message = Q(kind__in=MESSAGE_KINDS)
    is_text = Q(kind__in=UNVERIFIED_KINDS)
    inconclusive = is_message & Q(latest__verdict=Verdict.UNKNOWN)
    agrees = Q(latest__verdict__in=_PASSING) | inconclusive
    other = Q(settled_verdict=Verdict.NOT_APPLICABLE)
    no_answer = Q(latest__verdict=Verdict.UNKNOWN) | Q(checked_at__lt=now - STALE_AFTER)
    drift = Drift.objects.filter(check_asked=OuterRef("pk"), closed_at=None)
    failed = Q(settled_verdict=Verdict.FAIL)
    rules: list[tuple[Q | Exists, SubjectStatus]] = [
        (Exists(drift), SubjectStatus.DRIFTED),
        (failed & is_text, SubjectStatus.NOT_SHOWN),
        (failed & IS_PROPOSED, SubjectStatus.NOT_DONE),
        (failed & Q(first_verified_at__isnull=False), SubjectStatus.REGRESSED),
        (failed & Q(is_misconfigured=True), SubjectStatus.INCORRECT),
        (failed, SubjectStatus.NOT_DONE),
        (Q(latest__isnull=True), SubjectStatus.NOT_CHECKED),
        (no_answer & ~is_message, SubjectStatus.UNKNOWN),
        (inconclusive & Q(settled_verdict=""), SubjectStatus.UNKNOWN),
        (Q(settled_verdict=""), SubjectStatus.UNSETTLED),
        (passing & ~agrees, SubjectStatus.CONTRADICTED),
        (other & ~Q(latest__verdict=Verdict.NOT_APPLICABLE) & ~inconclusive,
         SubjectStatus.CONTRADICTED),
        (passing & is_text, SubjectStatus.SHOWN),
        (passing & IS_PROPOSED, SubjectStatus.PROPOSED),
        (Q(settled_verdict=Verdict.WARN), SubjectStatus.CAUTION),
        (passing, SubjectStatus.VERIFIED),
    ]  # fmt: skip
    cases = [When(condition, then=Value(status.value)) for condition, status in rules]
    return Case(*cases, default=Value(SubjectStatus.NOT_APPLICABLE.value))


def checks_with_status(
    checks: QuerySet[Check], statuses: Iterable[SubjectStatus], *, now: datetime
) -> QuerySet[Check]:
    """The active checks with one of the statuses."""
    checks = checks.filter(is_active=True)
    wanted = set(statuses)
    if wanted <= {SubjectStatus.DRIFTED, *FAILING}:
        checks = checks.filter(
            pk__in=_fault_candidates(with_drifts=SubjectStatus.DRIFTED in wanted)
        )
    rows = checks.alias(current_status=status_case(now))
    return rows.filter(current_status__in=[status.value for status in wanted])


def _fault_candidates(*, with_drifts: bool) -> QuerySet[Check, int]:
    """The ids of the few checks that can be drifted or failing. Each part has an index."""
    was_right = Q(first_verified_at__isnull=False) | Q(is_misconfigured=True)
    failed = Check.objects.filter(was_right, is_active=True, settled_verdict=Verdict.FAIL)
    ids = failed.order_by().values_list("pk", flat=True)
    if not with_drifts:
        return ids
    drifts = Drift.objects.filter(closed_at=None, check_asked__isnull=False)
    return ids.union(drifts.order_by().values_list("check_asked", flat=True))


# --- The tenant as a whole


@dataclass(frozen=True)
class TenantState:
    """The current state of a tenant: its tasks, its open drifts, and its checks by status.

    Test messages count only if they failed: others follow an inconclusive or missing one. A check
    of text that a person can edit never counts.
    `is_checked` is False for a tenant that was closed before its implementation was complete.
    """

    tasks_total: int = 0
    tasks_complete: int = 0
    tasks_regressed: int = 0
    drifts: int = 0
    is_checked: bool = True
    is_completed: bool = False
    checks: Mapping[SubjectStatus, int] = field(default_factory=dict)

    def count(self, *statuses: SubjectStatus) -> int:
        return sum(self.checks.get(status, 0) for status in statuses)

    @property
    def failing(self) -> int:
        return self.count(*FAILING)

    @property
    def not_done(self) -> int:
        return self.count(SubjectStatus.NOT_DONE)

    @property
    def unknown(self) -> int:
        return self.count(SubjectStatus.UNKNOWN)

    @property
    def contradicted(self) -> int:
        return self.count(SubjectStatus.CONTRADICTED)

    @property
    def waiting(self) -> int:
        """The checks that need time: their runs do not agree yet, or the first one is due."""
        return self.count(SubjectStatus.UNSETTLED, SubjectStatus.NOT_CHECKED)

    @property
    def verified(self) -> int:
        return self.count(*VERIFIED)

    @property
    def has_results(self) -> bool:
        return bool(self.drifts or any(self.count(s) for s in SubjectStatus if s not in _RUNLESS))

    @property
    def has_fault(self) -> bool:
        """Whether anything is drifted, regressed or settled on FAIL."""
        return bool(self.drifts or self.tasks_regressed or self.count(*FAULTS))

    @property
    def is_clear(self) -> bool:
        """Whether an all-clear is true: no fault, no gap, and the checks run."""
        return self.is_checked and not self.has_fault and not self.count(*GAPS)

    @property
    def are_tasks_done(self) -> bool:
        return bool(self.tasks_total) and self.tasks_complete == self.tasks_total

    @property
    def problems(self) -> str:
        """The reasons against an all-clear, such as “1 drift and 2 checks failing”; else empty."""
        parts = [
            _number(self.drifts, "drift", "drifts"),
            _number(self.tasks_regressed, "task regressed", "tasks regressed"),
            _number(self.failing, "check failing", "checks failing"),
            _number(self.not_done, "check not passing yet", "checks not passing yet"),
            self.last_runs_disagree,
            _number(self.unknown, "check without a reliable answer",
                    "checks without a reliable answer"),
            _number(self.waiting, "check not settled yet", "checks not settled yet"),
            _number(self.count(SubjectStatus.PROPOSED), "value not confirmed yet",
                    "values not confirmed yet"),
            "" if self.is_checked else "the checks are stopped",
        ]  # fmt: skip
        *others, last = [part for part in parts if part] or [""]
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def last_runs_disagree(self) -> str:
        return _number(self.contradicted, "last run disagrees", "last runs disagree")

    @property
    def task_headline(self) -> str:
        """The headline about the tasks."""
        if not self.are_tasks_done:
            return f"{self.tasks_complete} of {self.tasks_total} tasks done"
        return "All tasks done" if self.is_clear else f"All tasks done, but {self.problems}"

    @property
    def monitoring_headline(self) -> str:
        """The headline of the monitoring after go-live."""
        if not self.is_checked:
            return "Monitoring is stopped"
        if self.drifts:
            return f"{_number(self.drifts, 'drift', 'drifts')} since go-live"
        return "No drift since go-live" if self.is_clear else f"No drift, but {self.problems}"


def _number(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""


def tenant_state(
    tenant: Tenant, plan: Plan, checks: Iterable[tuple[Check, CurrentState]], *, drifts: int
) -> TenantState:
    """The state of one tenant from the states of its checks."""
    counted = Counter(state.status for check, state in checks if _counts(check.kind, state.status))
    return _tenant_state(tenant, plan, counted, drifts)


def _counts(kind: str, status: SubjectStatus) -> bool:
    return kind not in UNVERIFIED_KINDS and (kind != CheckKind.MESSAGE or status in FAULTS)


def _tenant_state(
    tenant: Tenant, plan: Plan, counted: Mapping[SubjectStatus, int], drifts: int
) -> TenantState:
    return TenantState(
        tasks_total=plan.tasks_total,
        tasks_complete=plan.tasks_complete,
        tasks_regressed=plan.tasks_regressed,
        drifts=drifts,
        is_checked=tenant.is_checked,
        is_completed=tenant.completed_at is not None,
        checks=dict(counted),
    )


def tenant_states(tenants: Sequence[Tenant], *, now: datetime) -> dict[int, TenantState]:
    """The states of many tenants by id, in two queries. The tenants have their plans."""
    rows = (
        Check.objects.filter(tenant__in=tenants, is_active=True)
        .annotate(current_status=status_case(now))
        .values("tenant_id", "current_status", "kind")
        .annotate(number=Count("pk"))
    )
    counted: dict[int, Counter[SubjectStatus]] = {}
    for row in rows:
        status = SubjectStatus(row["current_status"])
        if _counts(row["kind"], status):
            counted.setdefault(row["tenant_id"], Counter())[status] += row["number"]
    drifts = drift_counts(tenants)
    return {
        tenant.pk: _tenant_state(
            tenant, tenant.plan, counted.get(tenant.pk, {}), drifts.get(tenant.pk, 0)
        )
        for tenant in tenants
    }


def drift_counts(tenants: Sequence[Tenant]) -> dict[int, int]:
    """The number of open drifts by tenant."""
    rows = Drift.objects.filter(tenant__in=tenants, closed_at=None).values("tenant_id")
    return dict(rows.annotate(number=Count("pk")).values_list("tenant_id", "number"))
