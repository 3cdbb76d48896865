"""The evaluation of a plan's tasks: settled verdicts verify them, regress them or reopen them."""

from __future__ import annotations

import functools
from datetime import datetime

from django.db import transaction

from checks.models import Observation
from onboarding.models import Monitoring, Plan, Task, TaskStatus
from onboarding.models.monitoring import DRIFT_OF_CHECK
from onboarding.plans import timed_tasks
from onboarding.plans.confirmation_facts import withdraw_without_facts
from onboarding.plans.domain_progress import (
    sync_all_confirmations,
)
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import TaskEvidence
from onboarding.plans.queries import lock_tasks
from onboarding.plans.recipients import everyone_in
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.task_events import task_params
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Notification, Tenant
from tenants.notifications import notify
from tenants.retries import repeat_after_conflict
from tenants.services import write_activity


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
            evidence.proving_subjects,
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
        over = [task for task in tasks if task.is_timed and timed_tasks.is_over(task, now=now)]
        for task in over:
            task.verified_at = now
            task.save(update_fields=["verified_at"])
            write_activity(
                plan.tenant,
                ActivityName.WAIT_ENDED,
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
    settled verdict, for example after a domain was added or an expectation changed. A confirmed
    task is open again while a fact that its confirmation requires is missing.
    """
    with transaction.atomic():
        tenant = plan.tenant
        plan_context = PlanContext.of(tenant)
        tasks = lock_tasks(plan.pk)
        applicable = [task for task in tasks if task.applies]
        sync_all_confirmations(tenant, applicable)
        for task in applicable:
            if not task.check_kinds and not task.completed_by:
                continue
            evidence = plan_context.evidence(task)
            # Whether the task was verified before, so that a proof of this call stays.
            was_verified = task.verified_at is not None
            evaluate(task, evidence, tenant)
            if was_verified and not evidence.failing and evidence.is_open:
                _reopen(task, evidence, tenant)
        withdraw_without_facts(plan, tasks)
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
