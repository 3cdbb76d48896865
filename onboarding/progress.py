"""Moving tasks: the one place where facts become states, counters and activity lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from checks.engine.outcomes import Verdict
from checks.models import Check
from checks.queries import checks_of
from onboarding.models import COMPLETE, Phase, Plan, Task, TaskState
from onboarding.proof import Evidence, evidence_for
from onboarding.states import Facts, group_state, state_of
from tenants.models import Domain, Host, Tenant
from tenants.services import write_activity


@dataclass(frozen=True)
class Ground:
    """All that a plan's tasks are judged by, fetched once."""

    tenant: Tenant
    checks: Sequence[Check]
    domains: Sequence[Domain]
    hosts: Sequence[Host]

    @classmethod
    def of(cls, tenant: Tenant) -> Ground:
        return cls(
            tenant, list(checks_of(tenant)), list(tenant.domains.all()), list(tenant.hosts.all())
        )

    def evidence(self, task: Task, kinds: Sequence[str] | None = None) -> Evidence:
        return evidence_for(
            task,
            self.tenant,
            checks=self.checks,
            domains=self.domains,
            hosts=self.hosts,
            kinds=kinds,
        )


def apply_run(check_id: int) -> None:
    """Let the tasks that a check can prove follow its settled verdict. Idempotent.

    1. All subjects settled on yes: the task is proven.
    2. A subject settled on FAIL: reopened, if a check had completed it.
    3. Anything else changes nothing.
    """
    check = Check.objects.select_related("tenant", "latest").filter(pk=check_id).first()
    plan = Plan.objects.filter(tenant=check.tenant).first() if check is not None else None
    if check is None or plan is None:
        return
    with transaction.atomic():
        moved = _judge_tasks(plan, check)
        is_new_answer = check.latest is not None and check.latest.looks == 1
        is_awaited = check.hurried_until is not None and check.hurried_until > timezone.now()
        if moved or is_new_answer or is_awaited:
            plan.touch()


def _judge_tasks(plan: Plan, check: Check) -> bool:
    tasks = list(Task.objects.select_for_update().filter(plan=plan))
    concerned = [task for task in tasks if check.kind in task.check_kinds and task.applies]
    if not concerned or not check.settled_verdict:
        return False
    ground = Ground.of(check.tenant)
    moved = [task for task in concerned if _judge(task, ground.evidence(task), ground.tenant)]
    if moved:
        refresh_states(plan)
    return bool(moved)


def _judge(task: Task, evidence: Evidence, tenant: Tenant) -> bool:
    """Prove or reopen by conditional update; False when somebody else was first or nothing moves."""
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
        )
        return True
    return False


def reassess(plan: Plan) -> None:
    """Judge every task again: after the profile, a domain or a host changed, and nightly.

    A proof covers what existed when it was given. Where something now lacks a settled answer (a
    domain added, an expectation changed), the task is open again until that is answered too.
    """
    with transaction.atomic():
        tenant = plan.tenant
        ground = Ground.of(tenant)
        for task in Task.objects.select_for_update().filter(plan=plan, applies=True):
            if not task.check_kinds:
                continue
            evidence = ground.evidence(task)
            moved = _judge(task, evidence, tenant)
            if not moved and task.proven_at is not None and evidence.is_open:
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


def refresh_states(plan: Plan) -> None:
    """Work out every state from its facts, then the counters of phases and plan."""
    now = timezone.now()
    tasks = list(Task.objects.filter(plan=plan).order_by("position"))
    states: dict[int, TaskState] = {t.pk: _own_state(t) for t in tasks if not t.is_group}
    # Children stand behind their group, so the last group is worked out first.
    for task in reversed(tasks):
        if task.is_group:
            children = [states[t.pk] for t in tasks if t.parent_id == task.pk]
            states[task.pk] = group_state(children, applies=task.applies)
    for task in tasks:
        if task.state != states[task.pk]:
            _store_state(task, states[task.pk], now)
    _store_counters(plan, tasks)


def _own_state(task: Task) -> TaskState:
    return state_of(
        Facts(
            applies=task.applies,
            responsibility=task.responsibility,
            has_check=bool(task.check_kinds),
            mimecast_confirmed_at=task.mimecast_confirmed_at,
            client_confirmed_at=task.client_confirmed_at,
            proven_at=task.proven_at,
            broken_at=task.broken_at,
        )
    )


def _store_state(task: Task, state: TaskState, now: datetime) -> None:
    task.state = state
    task.state_since = now
    task.save(update_fields=["state", "state_since"])


@dataclass(frozen=True)
class Count:
    """How far a phase or plan is. Optional tasks count once they are done."""

    total: int
    complete: int
    broken: int

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Count:
        counted = [
            task
            for task in tasks
            if not task.is_group and task.applies and (task.is_complete or not task.is_optional)
        ]
        return cls(
            total=len(counted),
            complete=sum(task.state in COMPLETE for task in counted),
            broken=sum(task.state == TaskState.BROKEN for task in counted),
        )

    @property
    def columns(self) -> dict[str, int]:
        return {
            "tasks_total": self.total,
            "tasks_complete": self.complete,
            "tasks_broken": self.broken,
        }


def _store_counters(plan: Plan, tasks: Sequence[Task]) -> None:
    Plan.objects.filter(pk=plan.pk).update(**Count.of(tasks).columns)
    for phase in Phase.objects.filter(plan=plan):
        columns = Count.of([task for task in tasks if task.phase_id == phase.pk]).columns
        if any(getattr(phase, name) != value for name, value in columns.items()):
            Phase.objects.filter(pk=phase.pk).update(**columns)


def settled_counts(checks: Sequence[Check]) -> dict[str, int]:
    """How many checks stand at each verdict, by their settled verdict; unsettled ones are apart."""
    counts = {verdict.value: 0 for verdict in Verdict} | {"": 0}
    for check in checks:
        counts[check.settled_verdict] += 1
    return counts
