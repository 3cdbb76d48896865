"""The cutover room: its facts, conflicts and domain switches, and the result of them."""

from __future__ import annotations

import copy
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.queries import observations_by_kind
from checks.safe_times import SafeTime
from onboarding.cutovers.blockers import WindowBlocker, early_window_blockers, freeze_blockers
from onboarding.cutovers.conflicts import ConflictContext, find_conflicts
from onboarding.cutovers.follow_up import (
    MESSAGE_ROLES,
    DomainSwitch,
    FollowUp,
    follow_ups,
    has_started,
)
from onboarding.cutovers.freezes import freezes_for
from onboarding.cutovers.live_board import DomainBoard, mx_boards, spf_boards
from onboarding.cutovers.on_call import on_call_of
from onboarding.cutovers.readiness import (
    ReadinessFacts,
    ReadinessRow,
    is_stale,
    readiness_rows,
    stale_names,
)
from onboarding.cutovers.time_bar import TimeBar, time_bar
from onboarding.models import (
    Cutover,
    DomainProgress,
    EvidenceFile,
    OnCall,
    Plan,
    Responsibility,
    Task,
    TaskRole,
)
from onboarding.plans.dates import calendar_of
from onboarding.plans.domain_progress import confirmed_at
from onboarding.plans.mx_ttls import lowest_ttl, original_ttl
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.planned_cutovers import (
    OPENS_BEFORE,
    ROLE_OF_DIRECTION,
    is_open,
    primary_first,
)
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import Shape, TaskRow
from onboarding.plans.safe_times import SAFE_TIME_KINDS, policy_safe_time, safe_time_of
from onboarding.plans.task_roles import task_verified_by, task_with_role, tasks_with_role
from onboarding.plans.tenant_page import TenantPage
from tenants.models import Domain
from tenants.regions import Region

# The readiness row of a check kind covers the domains of the task with this role.
ROLE_OF_KIND = {
    CheckKind.OWNERSHIP: TaskRole.VERIFIES_OWNERSHIP,
    CheckKind.SPF: TaskRole.VERIFIES_SPF,
    CheckKind.DKIM: TaskRole.VERIFIES_DKIM,
    CheckKind.DMARC: TaskRole.SWITCHES_OUTBOUND,
    CheckKind.MTA_STS: TaskRole.SWITCHES_INBOUND,
    CheckKind.MX_TTL: TaskRole.VERIFIES_MX_TTL,
    CheckKind.MX: TaskRole.SWITCHES_INBOUND,
    CheckKind.MESSAGE: TaskRole.SWITCHES_OUTBOUND,
    CheckKind.DELIVERY_MESSAGE: TaskRole.SWITCHES_INBOUND,
    CheckKind.LOCKDOWN: TaskRole.LOCKDOWN,
    CheckKind.SMTP: TaskRole.VERIFIES_SMTP,
}


def restrict_to_cutover(plan_context: PlanContext, cutover: Cutover) -> PlanContext:
    """The plan context with only the cutover's domains."""
    return restrict_to_domains(plan_context, cutover.domains.all())


def restrict_to_domains(plan_context: PlanContext, domains: Iterable[Domain]) -> PlanContext:
    chosen = {domain.pk for domain in domains}
    return replace(plan_context, domains=[d for d in plan_context.domains if d.pk in chosen])


def load_facts(
    cutover: Cutover,
    tasks: Iterable[Task],
    plan_context: PlanContext,
    history: Sequence[Observation],
    region: Region,
    *,
    now: datetime,
    domains: Iterable[Domain] | None = None,
) -> ReadinessFacts:
    """The facts of the readiness, of the cutover's domains and the whole tenant.

    `history` has all observations of the tenant's MX TTL and MTA-STS checks. `domains` are the
    domains of a cutover that is not saved yet.
    """
    by_key = {task.key: task for task in tasks}
    by_role = {task.role: task for task in by_key.values()}
    chosen = cutover.domains.all() if domains is None else domains
    plan_context = restrict_to_domains(plan_context, chosen)
    subjects = {
        kind: plan_context.evidence(by_role[role], [kind.value]).subjects
        for kind, role in ROLE_OF_KIND.items()
        if role in by_role
    }
    zone = zoneinfo.ZoneInfo(plan_context.tenant.time_zone)
    is_inbound = cutover.direction == Cutover.Direction.INBOUND
    outbound = by_role.get(TaskRole.SWITCHES_OUTBOUND)
    since = _outbound_since(outbound, plan_context) if is_inbound else None
    facts = ReadinessFacts(
        cutover,
        by_key,
        subjects,
        [],
        zone,
        now,
        is_open(cutover, now),
        since,
        _uploaded_messages(cutover, by_key.values(), now) if is_inbound else (),
    )
    facts = replace(facts, done_here=_done_here(facts, plan_context))
    ttls = facts.subjects_of(CheckKind.MX_TTL)
    safe_times = [
        (subject.name, current_safe_time(subject, facts, history, region)) for subject in ttls
    ]
    moved = {name for name, safe_time in safe_times if safe_time.is_moved}
    moved |= _moved_outside(ttls, plan_context, facts, history, region)
    policies = list(_policy_times(facts, history)) if is_inbound else []
    waiting = [(name, policy) for name, policy in policies if name not in moved]
    return replace(facts, safe_times=safe_times, policy_times=waiting)


def _moved_outside(
    subjects: Iterable[ProofSubject],
    plan_context: PlanContext,
    facts: ReadinessFacts,
    history: Sequence[Observation],
    region: Region,
) -> set[str]:
    """The switched domains that are exempt from the task of the TTL, so not among its subjects."""
    names = {subject.name for subject in subjects}
    moved = set()
    for check in plan_context.checks:
        is_outside = check.kind == CheckKind.MX_TTL and check.subject not in names
        if is_outside and not is_stale(check, facts):
            safe_time = safe_time_of(check, _observations_of(check, history), region)
            if safe_time is not None and safe_time.is_moved:
                moved.add(check.subject)
    return moved


def _policy_times(
    facts: ReadinessFacts, history: Sequence[Observation]
) -> Iterator[tuple[str, SafeTime]]:
    """The end of each domain's former MTA-STS policy; none where its task is skipped."""
    task = task_verified_by(facts.tasks.values(), CheckKind.MTA_STS)
    if task is not None and task.is_skipped:
        return
    for subject in facts.subjects_of(CheckKind.MTA_STS):
        if subject.check is not None:
            found = policy_safe_time(_observations_of(subject.check, history))
            if found is not None:
                yield subject.name, found


def _done_here(facts: ReadinessFacts, plan_context: PlanContext) -> frozenset[str]:
    """The keys of the open tasks that are done for each domain of the cutover."""
    return frozenset(
        task.key
        for task in facts.tasks.values()
        if task.is_per_domain and task.is_open_leaf and _is_done_for_each(task, plan_context)
    )


def _is_done_for_each(task: Task, plan_context: PlanContext) -> bool:
    """Whether a check has verified each domain in scope, or the responsible sides confirmed it."""
    verified = plan_context.evidence(task).verified_domain_ids
    progress = plan_context.progress.get(task.pk, {})
    domains = [d for d in plan_context.domains_of(task) if d.role in task.domain_roles]
    return all(
        domain.pk in verified or confirmed_at(task, progress.get(domain.pk)) is not None
        for domain in domains
    )


def _uploaded_messages(
    cutover: Cutover, all_tasks: Iterable[Task], now: datetime
) -> Sequence[EvidenceFile]:
    opened_at = cutover.planned_at - OPENS_BEFORE
    tasks = [task.pk for task in tasks_with_role(all_tasks, *MESSAGE_ROLES)]
    if now < opened_at or not tasks:
        return ()
    messages = EvidenceFile.objects.filter(
        task__in=tasks, content_type="message/rfc822", uploaded_at__gte=opened_at
    )
    return list(messages.select_related("uploaded_by").order_by("uploaded_at", "pk"))


def current_safe_time(
    subject: ProofSubject, facts: ReadinessFacts, history: Sequence[Observation], region: Region
) -> SafeTime:
    """One domain's safe time, without a time if its last run is too old to count."""
    check = subject.check
    if check is None or is_stale(check, facts):
        return SafeTime(None)
    return safe_time_of(check, _observations_of(check, history), region) or SafeTime(None)


def all_inbound_subjects(
    tasks: Iterable[Task], plan_context: PlanContext
) -> Sequence[ProofSubject]:
    """The MX subjects of all domains that must switch, in any cutover."""
    task = task_with_role(tasks, ROLE_OF_KIND[CheckKind.MX])
    return plan_context.evidence(task, [CheckKind.MX.value]).subjects if task is not None else ()


def _outbound_since(task: Task | None, plan_context: PlanContext) -> datetime | None:
    """The time since which all domains of the context send through Mimecast.

    It is the time of the verified message, or of the confirmation for a domain without a message
    check. None if it is not known for one of the domains.
    """
    if task is None or not plan_context.domains:
        return None
    parts = DomainProgress.objects.filter(
        task=task, domain__in=[d.pk for d in plan_context.domains]
    )
    confirmed_at = {
        str(part.domain): _confirmed_at(part, task) for part in parts.select_related("domain")
    }
    times = [
        subject.check.first_verified_at
        if subject.check is not None and subject.is_verified
        else (confirmed_at.get(subject.name) if subject.check is None else None)
        for subject in plan_context.evidence(task, [CheckKind.MESSAGE.value]).subjects
    ]
    known = [at for at in times if at is not None]
    return max(known) if known and len(known) == len(times) else None


def _confirmed_at(part: DomainProgress, task: Task) -> datetime | None:
    """The time at which the last responsible side confirmed the domain; None before."""
    sides = [
        (Responsibility.MIMECAST, part.mimecast_confirmed_at),
        (Responsibility.CLIENT, part.client_confirmed_at),
    ]
    wanted = [at for side, at in sides if task.responsibility in (side, Responsibility.BOTH)]
    known = [at for at in wanted if at is not None]
    return max(known) if len(known) == len(wanted) else None


def _observations_of(check: Check, history: Sequence[Observation]) -> list[Observation]:
    return [each for each in history if each.check_asked_id == check.pk]


def load_conflict_context(plan: Plan, own: Sequence[Cutover]) -> ConflictContext:
    """The calendar around a tenant's `own` cutovers, in at most seven queries."""
    tenant = plan.tenant
    on_call = list(on_call_of(own, tenant))
    elsewhere = Cutover.objects.none()
    if tenant.consultant_id is not None:
        elsewhere = Cutover.objects.filter(
            plan__tenant__consultant=tenant.consultant_id, plan__tenant__closed_at__isnull=True
        ).exclude(plan=plan)
    return ConflictContext(
        own,
        list(elsewhere),
        calendar_of(tenant),
        dict(tenant.holidays.values_list("day", "name")),
        list(freezes_for(tenant)),
        on_call,
        list(_elsewhere_on_call(plan, on_call)),
    )


def domain_switches(
    facts: ReadinessFacts,
    inbound_subjects: Iterable[ProofSubject],
    history: Sequence[Observation],
    safe_times: Mapping[str, SafeTime],
) -> list[DomainSwitch]:
    """All domains that must switch, of this cutover and of others: the old hosts serve all of them.

    `safe_times` are the safe times of the lockdown, by domain. `history` has the TTLs from before
    the window opened.
    """
    opened_at = facts.cutover.planned_at - OPENS_BEFORE
    own = {subject.name for subject in facts.subjects_of(CheckKind.MX)}
    return [
        DomainSwitch(
            subject.name,
            safe_times.get(subject.name),
            None if check is None or is_stale(check, facts) else lowest_ttl(check.latest),
            _original_ttl(facts, check, history, before=opened_at) if check is not None else 0,
            is_own=subject.name in own,
        )
        for subject in inbound_subjects
        for check in [subject.check]
    ]


def _original_ttl(
    facts: ReadinessFacts, check: Check, history: Sequence[Observation], *, before: datetime
) -> int:
    of_domain = {
        subject.check.pk
        for kind in (CheckKind.MX, CheckKind.MX_TTL)
        for subject in facts.subjects_of(kind)
        if subject.check is not None and subject.check.domain_id == check.domain_id
    }
    return original_ttl(check, of_domain, history, before=before)


def _elsewhere_on_call(plan: Plan, on_call: Sequence[OnCall]) -> Iterable[OnCall]:
    """The same users in windows of other tenants. Contacts belong to one tenant."""
    people = {each.user_id for each in on_call if each.user_id is not None}
    if not people:
        return []
    others = OnCall.objects.filter(
        user__in=people, cutover__plan__tenant__closed_at=None, cutover__cancelled_at=None
    )
    return others.exclude(cutover__plan=plan).select_related("user", "cutover")


# --- The room


@dataclass(frozen=True)
class CutoverRoom:
    """The data that all pages of the room share, loaded once."""

    page: TenantPage
    cutover: Cutover
    facts: ReadinessFacts
    rows: list[ReadinessRow]
    boards: list[DomainBoard]
    conflict_context: ConflictContext
    plan_context: PlanContext
    domain_switches: Sequence[DomainSwitch] = ()
    # The length in minutes that a person is about to confirm; 0 means the stored length.
    requested_minutes: int = 0

    @property
    def length_minutes(self) -> int:
        return self.requested_minutes or self.cutover.length_minutes

    @property
    def conflicts(self) -> list[str]:
        left = self.page.domains_in_none(self.cutover.direction)
        order = primary_first(self.cutover, self.page.cutovers, left)
        late = ["The window is over and was never confirmed."] if self._is_missed else []
        return [*late, *order, *find_conflicts(self.cutover, self.conflict_context)]

    @property
    def _is_missed(self) -> bool:
        return self.cutover.confirmed_at is None and self.facts.now >= self.cutover.ends_at

    @cached_property
    def on_call(self) -> list[OnCall]:
        return [
            each for each in self.conflict_context.on_call if each.cutover_id == self.cutover.pk
        ]

    @cached_property
    def window_blockers(self) -> list[WindowBlocker]:
        """The blockers of the window with the requested length, which may touch another day."""
        requested = copy.copy(self.cutover)
        requested.length_minutes = self.length_minutes
        return [
            *freeze_blockers(requested, self.conflict_context),
            *early_window_blockers(self.facts),
        ]

    @property
    def new_window_blockers(self) -> list[WindowBlocker]:
        """The blockers that the window confirmation does not cover."""
        if self.cutover.confirmed_at is None:
            return []
        return [o for o in self.window_blockers if o.key not in self.cutover.accepted_blockers]

    @property
    def follow_ups(self) -> list[FollowUp]:
        """The follow-up; empty before the window opens or a domain switches."""
        if not has_started(self.facts, self.domain_switches):
            return []
        return follow_ups(self.facts, self.domain_switches)

    @property
    def blocking_count(self) -> int:
        return sum(row.is_blocking for row in self.rows)

    @property
    def sorted_boards(self) -> list[DomainBoard]:
        """The boards, those with a fault first, then those that are not complete."""
        order = [Shape.FAIL, Shape.UNKNOWN, Shape.TODO, Shape.WAITING]
        return sorted(
            self.boards, key=lambda b: order.index(b.shape) if b.shape in order else len(order)
        )

    @property
    def complete_count(self) -> int:
        return sum(board.is_complete for board in self.boards)

    @property
    def next_task(self) -> TaskRow | None:
        """The first open task of the run sheet on which a person can work."""
        return next((r for r in self.run_sheet if r.task.is_open_leaf and r.needs_action), None)

    @property
    def time_bar(self) -> TimeBar:
        return time_bar(self.cutover, self.boards, self.domain_switches, now=self.facts.now)

    @property
    def run_sheet(self) -> list[TaskRow]:
        return run_sheet(self.page, self.cutover)


def run_sheet(page: TenantPage, cutover: Cutover) -> list[TaskRow]:
    role = ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    found = [
        phase.rows for phase in page.phases if any(row.task.role == role for row in phase.rows)
    ]
    return [row for rows in found for row in rows if row.task.applies and not row.task.is_group]


def _boards(
    facts: ReadinessFacts, region: Region, safe_times: Mapping[str, SafeTime]
) -> list[DomainBoard]:
    if facts.cutover.direction == Cutover.Direction.INBOUND:
        subjects = facts.subjects_of(CheckKind.MX)
        return mx_boards(subjects, region.mx, safe_times, stale=stale_names(subjects, facts))
    subjects = facts.subjects_of(CheckKind.SPF)
    return spf_boards(subjects, region.spf_include, stale=stale_names(subjects, facts))


def build_room(
    page: TenantPage, cutover: Cutover, plan_context: PlanContext, *, now: datetime
) -> CutoverRoom:
    """The room for this plan context: the stored one, or the simulated one of a dry run."""
    tasks = [row.task for row in page.rows]
    is_inbound = cutover.direction == Cutover.Direction.INBOUND
    inbound_subjects = all_inbound_subjects(tasks, plan_context) if is_inbound else ()
    plan_context = restrict_to_cutover(plan_context, cutover)
    history = list(observations_by_kind(plan_context.checks, list(SAFE_TIME_KINDS)))
    facts = load_facts(cutover, tasks, plan_context, history, page.region, now=now)
    safe_times = {
        subject.name: current_safe_time(subject, facts, history, page.region)
        for subject in inbound_subjects
    }
    return CutoverRoom(
        page,
        cutover,
        facts,
        readiness_rows(facts),
        _boards(facts, page.region, safe_times),
        load_conflict_context(page.plan, page.cutovers),
        plan_context,
        domain_switches(facts, inbound_subjects, history, safe_times),
    )
