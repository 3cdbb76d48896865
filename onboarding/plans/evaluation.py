"""What the checks say about a plan's tasks, and moving the tasks accordingly."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from checks.models import Check
from checks.queries import checks_of
from onboarding.models import Plan, Task, TaskStatus
from onboarding.plans import timed_tasks
from onboarding.plans.domain_progress import ExemptPairs, exempt_pairs, sync_all_confirmations
from onboarding.plans.proof import TaskEvidence, evidence_for
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from tenants.activity_names import ActivityName
from tenants.models import Domain, Host, Tenant
from tenants.services import write_activity


@dataclass(frozen=True)
class PlanContext:
    """All that a plan's tasks are judged by, fetched once."""

    tenant: Tenant
    checks: Sequence[Check]
    domains: Sequence[Domain]
    hosts: Sequence[Host]
    exempt: ExemptPairs = frozenset()

    @classmethod
    def of(cls, tenant: Tenant, exempt: ExemptPairs | None = None) -> PlanContext:
        return cls(
            tenant,
            list(checks_of(tenant)),
            list(tenant.domains.all()),
            list(tenant.hosts.all()),
            exempt_pairs(tenant) if exempt is None else exempt,
        )

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.tenant.time_zone)

    def domains_of(self, task: Task) -> list[Domain]:
        """The domains that a task is to be done for."""
        return [d for d in self.domains if (task.pk, d.pk) not in self.exempt]

    def evidence(self, task: Task, kinds: Sequence[str] | None = None) -> TaskEvidence:
        return evidence_for(
            task,
            self.tenant,
            checks=self.checks,
            domains=self.domains_of(task),
            hosts=self.hosts,
            kinds=kinds,
        )


def evaluate(task: Task, evidence: TaskEvidence, tenant: Tenant) -> bool:
    """Let the task follow its evidence; False when nothing changes or another was first."""
    confirmation_suffices = evidence.is_unverifiable
    rows = Task.objects.filter(pk=task.pk, applies=True)
    turned = rows.exclude(confirmation_suffices=confirmation_suffices).update(
        confirmation_suffices=confirmation_suffices
    )
    return _verify_or_regress(task, evidence, tenant) or bool(turned)


def _verify_or_regress(task: Task, evidence: TaskEvidence, tenant: Tenant) -> bool:
    """By conditional update, so that of two workers one moves the task and writes the line."""
    now = timezone.now()
    rows = Task.objects.filter(pk=task.pk, applies=True)
    if evidence.is_verified:
        if not rows.filter(verified_at__isnull=True).update(verified_at=now, regressed_at=None):
            return False
        write_activity(
            tenant,
            ActivityName.TASK_VERIFIED,
            task=task.title,
            task_id=task.public_id,
            subjects=[subject.name for subject in evidence.subjects],
            before=task.status,
            after=TaskStatus.VERIFIED.value,
        )
        return True
    if evidence.failing:
        if not rows.filter(verified_at__isnull=False).update(verified_at=None, regressed_at=now):
            return False
        write_activity(
            tenant,
            ActivityName.TASK_REGRESSED,
            task=task.title,
            task_id=task.public_id,
            subjects=[subject.name for subject in evidence.failing],
            before=task.status,
            after=TaskStatus.REGRESSED.value,
        )
        return True
    return False


def complete_waits(plan: Plan, *, now: datetime) -> int:
    """Complete what only time completes, where it has passed. Returns how many that were."""
    with transaction.atomic():
        waiting = [task for task in lock_tasks(plan.pk) if task.is_wait]
        over = [task for task in waiting if timed_tasks.is_over(task, now=now)]
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
        if over:
            recompute_rollup(plan)
            plan.touch()
    return len(over)


def recompute_waits(plan: Plan) -> None:
    """The days agreed for a cutover changed: waits count until another moment."""
    with transaction.atomic():
        lock_tasks(plan.pk)
        recompute_rollup(plan)
        plan.touch()
    complete_waits(plan, now=timezone.now())


def reevaluate(plan: Plan) -> None:
    """Judge every task again: after the profile, a domain or a host changed, and nightly.

    A proof covers what existed when it was given. Where something now lacks a settled answer (a
    domain added, an expectation changed), the task is open again until that is answered too.
    """
    with transaction.atomic():
        tenant = plan.tenant
        plan_context = PlanContext.of(tenant)
        tasks = list(Task.objects.select_for_update().filter(plan=plan, applies=True))
        sync_all_confirmations(tenant, tasks)
        for task in tasks:
            if not task.check_kinds:
                continue
            evidence = plan_context.evidence(task)
            evaluate(task, evidence, tenant)
            still_verified = task.verified_at is not None and not evidence.failing
            if still_verified and evidence.is_open:
                Task.objects.filter(pk=task.pk).update(verified_at=None)
                waiting = [s.name for s in evidence.subjects if s.settled is None]
                write_activity(
                    tenant,
                    ActivityName.TASK_DOMAINS_ADDED,
                    task=task.title,
                    task_id=task.public_id,
                    subjects=waiting,
                )
        recompute_rollup(plan)
        plan.touch()
