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
from onboarding.models import Plan, Task, TaskState
from onboarding.plans import waits
from onboarding.plans.domain_parts import Exempt, exempt_of, gather_all
from onboarding.plans.holding import hold_plan
from onboarding.plans.proof import Evidence, evidence_for
from onboarding.plans.standing import refresh_states
from tenants.models import Domain, Host, Tenant
from tenants.services import write_activity


@dataclass(frozen=True)
class Ground:
    """All that a plan's tasks are judged by, fetched once."""

    tenant: Tenant
    checks: Sequence[Check]
    domains: Sequence[Domain]
    hosts: Sequence[Host]
    exempt: Exempt = frozenset()

    @classmethod
    def of(cls, tenant: Tenant, exempt: Exempt | None = None) -> Ground:
        return cls(
            tenant,
            list(checks_of(tenant)),
            list(tenant.domains.all()),
            list(tenant.hosts.all()),
            exempt_of(tenant) if exempt is None else exempt,
        )

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.tenant.time_zone)

    def domains_of(self, task: Task) -> list[Domain]:
        """The domains that a task is to be done for."""
        return [d for d in self.domains if (task.pk, d.pk) not in self.exempt]

    def evidence(self, task: Task, kinds: Sequence[str] | None = None) -> Evidence:
        return evidence_for(
            task,
            self.tenant,
            checks=self.checks,
            domains=self.domains_of(task),
            hosts=self.hosts,
            kinds=kinds,
        )


def judge(task: Task, evidence: Evidence, tenant: Tenant) -> bool:
    """Let the task follow its evidence; False when nothing changes or another was first."""
    is_by_word = evidence.is_beyond_us
    rows = Task.objects.filter(pk=task.pk, applies=True)
    turned = rows.exclude(is_by_word=is_by_word).update(is_by_word=is_by_word)
    return _prove_or_reopen(task, evidence, tenant) or bool(turned)


def _prove_or_reopen(task: Task, evidence: Evidence, tenant: Tenant) -> bool:
    """By conditional update, so that of two workers one moves the task and writes the line."""
    now = timezone.now()
    rows = Task.objects.filter(pk=task.pk, applies=True)
    if evidence.proves:
        if not rows.filter(proven_at__isnull=True).update(proven_at=now, broken_at=None):
            return False
        write_activity(
            tenant,
            "task-proven",
            task=task.title,
            task_id=task.public_id,
            subjects=[subject.name for subject in evidence.subjects],
            before=task.state,
            after=TaskState.PROVEN.value,
        )
        return True
    if evidence.failing:
        if not rows.filter(proven_at__isnull=False).update(proven_at=None, broken_at=now):
            return False
        write_activity(
            tenant,
            "task-reopened",
            task=task.title,
            task_id=task.public_id,
            subjects=[subject.name for subject in evidence.failing],
            before=task.state,
            after=TaskState.BROKEN.value,
        )
        return True
    return False


def end_waits(plan: Plan, *, now: datetime) -> int:
    """Complete what only time completes, where it has passed. Returns how many that were."""
    with transaction.atomic():
        waiting = [task for task in hold_plan(plan.pk) if task.is_wait]
        over = [task for task in waiting if waits.is_over(task, now=now)]
        for task in over:
            task.proven_at = now
            task.save(update_fields=["proven_at"])
            write_activity(
                plan.tenant,
                "wait-over",
                task=task.title,
                task_id=task.public_id,
                since=task.waits_since.isoformat() if task.waits_since else "",
                before=task.state,
                after=TaskState.PROVEN.value,
            )
        if over:
            refresh_states(plan)
            plan.touch()
    return len(over)


def agree_anew(plan: Plan) -> None:
    """The days agreed for a cutover changed: waits count until another moment."""
    with transaction.atomic():
        hold_plan(plan.pk)
        refresh_states(plan)
        plan.touch()
    end_waits(plan, now=timezone.now())


def reassess(plan: Plan) -> None:
    """Judge every task again: after the profile, a domain or a host changed, and nightly.

    A proof covers what existed when it was given. Where something now lacks a settled answer (a
    domain added, an expectation changed), the task is open again until that is answered too.
    """
    with transaction.atomic():
        tenant = plan.tenant
        ground = Ground.of(tenant)
        tasks = list(Task.objects.select_for_update().filter(plan=plan, applies=True))
        gather_all(tenant, tasks)
        for task in tasks:
            if not task.check_kinds:
                continue
            evidence = ground.evidence(task)
            judge(task, evidence, tenant)
            still_proven = task.proven_at is not None and not evidence.failing
            if still_proven and evidence.is_open:
                Task.objects.filter(pk=task.pk).update(proven_at=None)
                waiting = [s.name for s in evidence.subjects if s.settled is None]
                write_activity(
                    tenant,
                    "task-extended",
                    task=task.title,
                    task_id=task.public_id,
                    subjects=waiting,
                )
        refresh_states(plan)
        plan.touch()
