"""The evaluation of a plan's tasks: settled verdicts verify them, regress them or reopen them."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Self, TypeVar

from django.db import transaction

from checks.models import Check, Observation
from checks.queries import checks_of
from onboarding.models import Monitoring, Plan, Task, TaskStatus
from onboarding.models.monitoring import DRIFT_OF_CHECK
from onboarding.plans import timed_tasks
from onboarding.plans.current_state import open_drift_of_check
from onboarding.plans.domain_progress import (
    ExemptPairs,
    ProgressByTask,
    exempt_pairs_from,
    facts_by_task,
    facts_by_tenant,
    sync_all_confirmations,
)
from onboarding.plans.proof import SubjectKey, TaskEvidence, checks_by_subject, evidence_for
from onboarding.plans.queries import lock_tasks
from onboarding.plans.recipients import everyone_in
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.task_events import task_params
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Domain, Host, Notification, Tenant
from tenants.notifications import notify
from tenants.retries import repeat_after_conflict
from tenants.services import write_activity


@dataclass(frozen=True)
class PlanContext:
    """The facts that decide about a plan's tasks, read once."""

    tenant: Tenant
    checks: Sequence[Check]
    domains: Sequence[Domain]
    hosts: Sequence[Host]
    progress: ProgressByTask = field(default_factory=dict)
    # The opening of the open drift of each drifted check, by check id.
    drifted_since: Mapping[int, datetime] = field(default_factory=dict)
    # The time of the current states.
    now: datetime = field(default_factory=database_time.known_now)

    @classmethod
    def of(
        cls,
        tenant: Tenant,
        progress: ProgressByTask | None = None,
        *,
        kinds: Collection[str] | None = None,
        domains: Sequence[Domain] | None = None,
    ) -> PlanContext:
        """Read the facts of a tenant, except `progress` and `domains` that were read before.

        With `kinds`: only the checks of these kinds, for `evaluate`, which needs no evidence.
        """
        rows = checks_of(tenant).annotate(drifted_since=open_drift_of_check("opened_at"))
        if kinds is not None:
            rows = rows.filter(kind__in=kinds).defer("latest__evidence")
        checks = list(rows)
        return cls(
            tenant,
            checks,
            list(tenant.domains.all()) if domains is None else domains,
            list(tenant.hosts.select_related("proposed_by")),
            facts_by_task(tenant) if progress is None else progress,
            {check.pk: check.drifted_since for check in checks if check.drifted_since is not None},
        )

    @classmethod
    def for_list(cls, tenant: Tenant, progress: ProgressByTask) -> PlanContext:
        """The facts for a list of current states: without findings and evidence. Three queries."""
        rows = Check.objects.filter(tenant=tenant, is_active=True).select_related("latest")
        rows = rows.defer("latest__evidence", "latest__findings")
        checks = list(rows.annotate(drifted_since=open_drift_of_check("opened_at")))
        domains, hosts = list(tenant.domains.all()), list(tenant.hosts.all())
        domain_by_pk, host_by_pk = {d.pk: d for d in domains}, {h.pk: h for h in hosts}
        for check in checks:
            # One object for each subject. A removed one, which has no active check, is read alone.
            if check.domain_id in domain_by_pk:
                check.domain = domain_by_pk[check.domain_id]
            if check.host_id in host_by_pk:
                check.host = host_by_pk[check.host_id]
        drifted = {c.pk: c.drifted_since for c in checks if c.drifted_since is not None}
        return cls(tenant, checks, domains, hosts, progress, drifted)

    @classmethod
    def of_many(cls, tenants: Collection[Tenant], *, kinds: Collection[str]) -> dict[int, Self]:
        """The facts of several tenants by id, with their checks of these kinds. Four queries."""
        of_kinds = Check.objects.filter(tenant__in=tenants, is_active=True, kind__in=kinds)
        rows = of_kinds.select_related("domain", "host__proposed_by", "latest")
        checks = list(rows.annotate(drifted_since=open_drift_of_check("opened_at")))
        drifted = {c.pk: c.drifted_since for c in checks if c.drifted_since is not None}
        checks_by = _by_tenant(checks)
        domains_by = _by_tenant(Domain.objects.filter(tenant__in=tenants))
        hosts_by = _by_tenant(Host.objects.filter(tenant__in=tenants).select_related("proposed_by"))
        progress_by = facts_by_tenant(tenants)
        return {
            tenant.pk: cls(
                tenant,
                checks_by.get(tenant.pk, []),
                domains_by.get(tenant.pk, []),
                hosts_by.get(tenant.pk, []),
                progress_by.get(tenant.pk, {}),
                drifted,
            )
            for tenant in tenants
        }

    @cached_property
    def exempt(self) -> ExemptPairs:
        return exempt_pairs_from(self.progress)

    @property
    def confirmed_hosts(self) -> set[str]:
        """The names of the hosts, without those that a client proposed."""
        return {host.name for host in self.hosts if not host.is_proposed}

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.tenant.time_zone)

    @cached_property
    def _by_subject(self) -> dict[SubjectKey, Check]:
        return checks_by_subject(self.checks)

    def domains_of(self, task: Task) -> list[Domain]:
        """The domains that are not exempt from the task."""
        return [d for d in self.domains if (task.pk, d.pk) not in self.exempt]

    def evidence(self, task: Task, kinds: Sequence[str] | None = None) -> TaskEvidence:
        return evidence_for(
            task,
            self.tenant,
            checks=self._by_subject,
            domains=self.domains_of(task),
            hosts=self.hosts,
            kinds=kinds,
            progress=self.progress.get(task.pk, {}),
            drifted_since=self.drifted_since,
            now=self.now,
        )


_Row = TypeVar("_Row", Check, Domain, Host)


def _by_tenant(rows: Iterable[_Row]) -> dict[int, list[_Row]]:
    found: dict[int, list[_Row]] = {}
    for row in rows:
        found.setdefault(row.tenant_id, []).append(row)
    return found


def evaluate(task: Task, evidence: TaskEvidence, tenant: Tenant) -> bool:
    """Verify or reopen the task by its evidence, in the database and in place.

    Returns False when nothing changes or another worker was faster. The statuses follow with the
    next roll-up.
    """
    confirmation_suffices = evidence.is_unverifiable
    rows = Task.objects.filter(pk=task.pk, applies=True)
    is_changed = task.confirmation_suffices != confirmation_suffices and bool(
        rows.exclude(confirmation_suffices=confirmation_suffices).update(
            confirmation_suffices=confirmation_suffices
        )
    )
    if is_changed:
        task.confirmation_suffices = confirmation_suffices
    return _verify_or_regress(task, evidence, tenant) or is_changed


# The findings of the check, and those of them for a domain without a valid record.
_POLICY = "mta-sts."
_WITHOUT_POLICY = ("mta-sts.none", "mta-sts.almost")


def _never_had_policy(evidence: TaskEvidence) -> bool:
    """Return whether no domain publishes an MTA-STS policy, and Gangway has never seen one.

    Senders apply a policy that was removed until its `max_age` ends (RFC 8461 section 3.2). Then a
    person must confirm the task. A record whose policy Gangway could not fetch counts as a policy.
    """
    if evidence.missing or not evidence.has_no_policy:
        return False
    checks = [subject.check for subject in evidence.subjects if subject.check is not None]
    seen = Observation.objects.filter(check_asked__in=checks).values_list("findings", flat=True)
    return not any(
        found["code"].startswith(_POLICY) and found["code"] not in _WITHOUT_POLICY
        for findings in seen
        for found in findings
    )


def _verify_or_regress(task: Task, evidence: TaskEvidence, tenant: Tenant) -> bool:
    """By conditional update: of two workers, one changes the task and writes the activity line."""
    now = database_time.now()
    if task.verified_at is None and (evidence.is_verified or _never_had_policy(evidence)):
        action, status, subjects = (
            ActivityName.TASK_VERIFIED,
            TaskStatus.VERIFIED,
            evidence.subjects,
        )
    elif evidence.failing and not evidence.is_verified and task.verified_at is not None:
        action, status, subjects = (
            ActivityName.TASK_REGRESSED,
            TaskStatus.REGRESSED,
            evidence.failing,
        )
    else:
        return False
    is_verified = status is TaskStatus.VERIFIED
    verified_at, regressed_at = (now, None) if is_verified else (None, now)
    rows = Task.objects.filter(pk=task.pk, applies=True, verified_at__isnull=is_verified)
    if not rows.update(verified_at=verified_at, regressed_at=regressed_at):
        return False
    task.verified_at, task.regressed_at = verified_at, regressed_at
    write_activity(
        tenant,
        action,
        task=task.title,
        task_id=task.public_id,
        subjects=[subject.name for subject in subjects],
        before=task.status,
        after=status.value,
    )
    if status is TaskStatus.REGRESSED:
        _notify_of_regression(task, evidence, tenant, at=now)
    return True


def _notify_of_regression(
    task: Task, evidence: TaskEvidence, tenant: Tenant, *, at: datetime
) -> None:
    """Notify both sides of a lost proof, unless the monitoring reports the same fact as drift."""
    kinds = {subject.kind for subject in evidence.failing}
    if kinds <= set(DRIFT_OF_CHECK) and Monitoring.objects.filter(tenant=tenant).exists():
        return
    notify(
        tenant,
        Notification.Kind.REGRESSED,
        everyone_in(tenant),
        source=f"regressed:{task.public_id}:{at.isoformat()}",
        tasks=[task_params(task)],
        subjects=[subject.name for subject in evidence.failing],
    )


def complete_waits(plan: Plan, *, now: datetime) -> int:
    """Complete the timed tasks whose date has passed. Returns their number.

    A lockdown or decommissioning whose safe time has passed waits for its side from now on.
    """
    with transaction.atomic():
        tasks = lock_tasks(plan.pk)
        over = [task for task in tasks if task.is_wait and timed_tasks.is_over(task, now=now)]
        for task in over:
            task.verified_at = now
            task.save(update_fields=["verified_at"])
            write_activity(
                plan.tenant,
                ActivityName.WAITING_PERIOD_ENDED,
                task=task.title,
                task_id=task.public_id,
                since=task.wait_started_at.isoformat() if task.wait_started_at else "",
                before=task.status,
                after=TaskStatus.VERIFIED.value,
            )
        is_safe = any(task.safe_from is not None and task.safe_from <= now for task in tasks)
        if over or is_safe:
            recompute_rollup(plan, tasks)
    return len(over)


def recompute_waits(plan: Plan) -> None:
    """Recompute the end of timed tasks after the days agreed for a cutover changed."""
    with transaction.atomic():
        recompute_rollup(plan)
    complete_waits(plan, now=database_time.now())


def recompute_waits_after_commit(plan: Plan) -> None:
    """In a transaction of its own, because the caller has locked the activity log already."""
    work = functools.partial(recompute_waits, plan)
    transaction.on_commit(lambda: repeat_after_conflict(work))


def reevaluate(plan: Plan) -> None:
    """Evaluate every task again: after a change of the profile, a domain or a host, and nightly.

    A proof covers the subjects of its time. A task is open again while one of its subjects has no
    settled verdict, for example after a domain was added or an expectation changed.
    """
    with transaction.atomic():
        tenant = plan.tenant
        plan_context = PlanContext.of(tenant)
        tasks = lock_tasks(plan.pk)
        applicable = [task for task in tasks if task.applies]
        sync_all_confirmations(tenant, applicable)
        for task in applicable:
            if not task.check_kinds:
                continue
            evidence = plan_context.evidence(task)
            # Whether the task was verified before, so that a proof of this call stays.
            was_verified = task.verified_at is not None
            evaluate(task, evidence, tenant)
            if was_verified and not evidence.failing and evidence.is_open:
                _reopen(task, evidence, tenant)
        recompute_rollup(plan)


def _reopen(task: Task, evidence: TaskEvidence, tenant: Tenant) -> None:
    Task.objects.filter(pk=task.pk).update(verified_at=None)
    write_activity(
        tenant,
        ActivityName.TASK_DOMAINS_ADDED,
        task=task.title,
        task_id=task.public_id,
        subjects=[s.name for s in evidence.subjects if s.settled is None],
    )
