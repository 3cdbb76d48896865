"""The transitions of a task: confirm, withdraw, change status, exempt a domain, and undo.

Each service locks the plan's tasks, calls `why_not`, and stores the previous values for an undo.
All of them raise NotPermitted when the role or side forbids the transition, ConflictingChange when
another user was faster, and OnboardingError for every other refusal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from checks.models import Check
from checks.queries import checks_of
from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import (
    DomainProgress,
    ManualStatus,
    Plan,
    Responsibility,
    Task,
    TaskRole,
    TaskStatus,
)
from onboarding.plans import confirmations
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.closing_obligations import ResidualRisk
from onboarding.plans.confirmation_facts import field_rows_of, unplanned_cutovers_of
from onboarding.plans.confirmations import is_confirmed_by_sign_off
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.domain_progress import (
    CONFIRMATION_FIELDS,
    TaskProgress,
    confirm_from_domains,
)
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import lock_tasks
from onboarding.plans.recipients import side_of_role
from onboarding.plans.rollup import own_status, recompute_rollup
from onboarding.plans.safe_times import gate_times, safe_times_for
from onboarding.plans.timed_tasks import longest_outbound_days
from onboarding.plans.transitions import (
    CONFIRM,
    EXEMPT_DOMAIN,
    INCLUDE_DOMAIN,
    SET_RESPONSIBILITY,
    STATUS_CHANGES,
    UNDO,
    WITHDRAW_CONFIRMATION,
    Actor,
    Transition,
    TransitionContext,
    input_error,
    is_in_place,
    is_permitted,
    unread_status_text,
    waiting_side_after,
    why_not,
)
from onboarding.plans.undo import restore, store_undo
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Domain, Tenant, User
from tenants.permissions import Permission, Role, may, role_in
from tenants.services import write_activity
from tenants.webhooks.events import exist_for

_NO_MANUAL_STATUS: dict[str, Any] = {
    "manual_status": ManualStatus.NONE,
    "status_reason": "",
    "status_set_at": None,
    "status_set_by_id": None,
    "status_waiting_on": "",
    "accepted_until": None,
}
_MANUAL_STATUS_FIELDS = tuple(_NO_MANUAL_STATUS)
MAX_EXEMPT_REASON = 300


def actor_of(role: Role | None, user: User, *, is_closed: bool = False) -> Actor:
    """The actor for a user whose role is known."""
    return Actor(
        side=side_of_role(role, is_closed=is_closed),
        may_manage_plan=may(role, Permission.MANAGE_PLAN, is_closed=is_closed),
        user_id=user.pk,
    )


def actor_for(user: User, tenant: Tenant) -> Actor:
    """The actor for a user. Reads the role, with one query for a member of the tenant."""
    return actor_of(role_in(user, tenant), user, is_closed=tenant.is_closed)


def require_permitted(
    task: Task, transition: Transition, actor: Actor, context: TransitionContext | None = None
) -> None:
    """Raise the refusal of `why_not`: NotPermitted for the role or side, else OnboardingError."""
    refused = why_not(task, transition, actor, context)
    if refused:
        is_allowed = is_permitted(task, transition, actor)
        raise OnboardingError(refused) if is_allowed else NotPermitted(refused)


# --- Confirmations


def confirm_task(
    task: Task,
    *,
    by: User,
    side: str,
    domain: Domain | None = None,
    signed: bool = False,
    expected: str = "",
) -> TaskStatus:
    """Confirm one side's part of a task, for all domains in scope or for one. Returns its status.

    The task awaits verification while a check can still prove it. A second confirmation changes
    nothing. `signed` states that the sign-off of the task's sheet confirms it. `expected` is the
    status on the user's page: a confirmation must not clear a manual status that they have not
    read.
    """
    with transaction.atomic():
        locked = _lock(task)
        actor = Actor(side, may_manage_plan=False, user_id=by.pk)
        context = locked.context(domain=domain, is_sign_off=signed)
        require_permitted(locked.task, CONFIRM, actor, context)
        _refuse_unread_status(locked.task, expected)
        if is_in_place(locked.task, CONFIRM, actor, context):
            return TaskStatus(locked.task.status)
        fields = _set_confirmation(locked, context, side, at=database_time.now(), by=by)
        _clear_manual_status(locked.task)
        _write_activity(
            locked, ActivityName.TASK_CONFIRMED, by=by, side=side, domain=str(domain or "")
        )
        locked.save(*fields, *_MANUAL_STATUS_FIELDS)
        return TaskStatus(locked.task.status)


def withdraw_confirmation(
    task: Task, *, by: User, side: str, domain: Domain | None = None, signed: bool = False
) -> None:
    """Withdraw one side's confirmation, for all domains in scope or for one.

    `signed` states that the withdrawal of the sheet's sign-off causes it.
    """
    with transaction.atomic():
        locked = _lock(task)
        actor = Actor(side, may_manage_plan=False, user_id=by.pk)
        context = locked.context(domain=domain, is_sign_off=signed)
        require_permitted(locked.task, WITHDRAW_CONFIRMATION, actor, context)
        if is_in_place(locked.task, WITHDRAW_CONFIRMATION, actor, context):
            return
        fields = _set_confirmation(locked, context, side, at=None, by=by)
        _write_activity(
            locked, ActivityName.CONFIRMATION_WITHDRAWN, by=by, side=side, domain=str(domain or "")
        )
        locked.save(*fields)


def _set_confirmation(
    locked: _LockedTask, context: TransitionContext, side: str, *, at: datetime | None, by: User
) -> tuple[str, ...]:
    store_undo(locked.task, context.progress.by_domain, by=by)
    fields = confirmations.set_confirmation(
        locked.task,
        side,
        at=at,
        by=by if at is not None else None,
        domain=context.domain,
        progress=context.progress,
    )
    return "undo", *fields


def _refuse_unread_status(task: Task, expected: str) -> None:
    if expected and task.manual_status and task.status != expected:
        raise ConflictingChange(
            unread_status_text(
                task.manual_status, task.status_reason, by=str(task.status_set_by or "Another user")
            )
        )


def set_responsibility(task: Task, responsibility: str, *, by: User, expected: str = "") -> None:
    """Set the responsible side where the article states none.

    `expected` is the side on the user's page. Raises ConflictingChange if another user chose a
    third one.
    """
    with transaction.atomic():
        locked = _lock(task)
        require_permitted(locked.task, SET_RESPONSIBILITY, actor_for(by, locked.plan.tenant))
        current = locked.task.responsibility
        if expected and current not in (expected, responsibility):
            label = Responsibility(current).label
            raise ConflictingChange(f"Another user chose “{label}”. Nothing was changed.")
        locked.task.responsibility = responsibility
        locked.task.undo = None
        _write_activity(locked, ActivityName.RESPONSIBILITY_CHANGED, by=by, side=responsibility)
        locked.save("responsibility", "undo")


# --- Manual status


def make_transition(
    task: Task,
    key: str,
    *,
    by: User,
    actor: Actor,
    reason: str = "",
    until: datetime | None = None,
    expected: str = "",
) -> None:
    """Set or clear a task's manual status. `expected` is the status on the user's page.

    Raises OnboardingError also for a missing reason or an invalid end date.
    """
    change = STATUS_CHANGES[key]
    now = database_time.now()
    with transaction.atomic():
        locked = _lock(task)
        if expected and locked.task.status != expected:
            raise ConflictingChange(_conflict_text(locked.task))
        require_permitted(locked.task, change, actor)
        problem = input_error(reason, until, change, now=now)
        if problem:
            raise OnboardingError(problem)
        store_undo(locked.task, locked.progress().by_domain, by=by)
        _set_manual_status(
            locked.task, change, by=by, side=actor.side, reason=reason, until=until, at=now
        )
        _write_activity(
            locked,
            ActivityName.TASK_STATUS_CHANGED,
            by=by,
            transition=change.key,
            reason=locked.task.status_reason,
            until=until.isoformat() if until and change.requires_end_date else "",
        )
        locked.save("undo", *_MANUAL_STATUS_FIELDS)


def _conflict_text(task: Task) -> str:
    who = str(task.status_set_by) if task.status_set_by is not None else "Another user"
    return (
        f"{who} changed the status to “{TaskStatus(task.status).label}”. Nothing was changed."
        " Your reason is still in the form."
    )


def _set_manual_status(
    task: Task,
    change: Transition,
    *,
    by: User,
    side: str,
    reason: str,
    until: datetime | None,
    at: datetime,
) -> None:
    _clear_manual_status(task)
    if not change.manual_status:
        return
    task.manual_status = change.manual_status
    task.status_reason = reason.strip()
    task.status_set_at = at
    task.status_set_by = by
    task.status_waiting_on = waiting_side_after(change, side)
    task.accepted_until = until if change.requires_end_date else None


def _clear_manual_status(task: Task) -> None:
    for name, value in _NO_MANUAL_STATUS.items():
        setattr(task, name, value)


def expire_accepted_risks(plan: Plan, *, now: datetime) -> int:
    """Reopen the tasks whose accepted risk has expired. Returns their number."""
    expired = Task.objects.filter(
        plan=plan, manual_status=ManualStatus.ACCEPTED_RISK, accepted_until__lte=now
    )
    if not expired.exists():
        return 0
    with transaction.atomic():
        tasks = lock_tasks(plan.pk)
        reopened = [
            task
            for task in tasks
            if task.manual_status == ManualStatus.ACCEPTED_RISK
            and task.accepted_until is not None
            and task.accepted_until <= now
        ]
        for task in reopened:
            _clear_manual_status(task)
            task.undo = None
            task.save(update_fields=[*_MANUAL_STATUS_FIELDS, "undo"])
            write_activity(
                plan.tenant,
                ActivityName.RISK_ACCEPTANCE_EXPIRED,
                task=task.title,
                task_id=task.public_id,
            )
        recompute_rollup(plan, tasks)
    return len(reopened)


# --- Exemptions


def exempt_domain(task: Task, domain: Domain, *, by: User, reason: str) -> None:
    """Exempt a domain from a per-domain task. The last domain stays in scope.

    Raises OnboardingError without a reason, and for a refusal of `why_not`.
    """
    text = reason.strip()[:MAX_EXEMPT_REASON]
    with transaction.atomic():
        locked = _lock(task)
        context = locked.context(domain=domain)
        require_permitted(locked.task, EXEMPT_DOMAIN, actor_for(by, locked.plan.tenant), context)
        if not text:
            raise OnboardingError("Enter a reason for the exemption. The domain is still in scope.")
        values = {"exempt_reason": text, "exempted_at": database_time.now(), "exempted_by": by}
        _set_exemption(locked, context, by=by, values=values)
        _write_activity(
            locked, ActivityName.DOMAIN_EXEMPTED, by=by, domain=domain.name, reason=text
        )
        # The verified domains in the rest of the scope may now complete the task.
        reevaluate(locked.plan)


def end_exemption(task: Task, domain: Domain, *, by: User) -> None:
    """Include an exempt domain in the scope of its task again; no effect on any other domain."""
    with transaction.atomic():
        locked = _lock(task)
        context = locked.context(domain=domain)
        actor = actor_for(by, locked.plan.tenant)
        require_permitted(locked.task, INCLUDE_DOMAIN, actor, context)
        if is_in_place(locked.task, INCLUDE_DOMAIN, actor, context):
            return
        values = {"exempt_reason": "", "exempted_at": None, "exempted_by": None}
        _set_exemption(locked, context, by=by, values=values)
        _write_activity(
            locked, ActivityName.EXEMPTION_REMOVED, by=by, domain=domain.name, reason=""
        )
        reevaluate(locked.plan)


def _set_exemption(
    locked: _LockedTask, context: TransitionContext, *, by: User, values: Mapping[str, Any]
) -> None:
    store_undo(locked.task, context.progress.by_domain, by=by)
    DomainProgress.objects.update_or_create(
        task=locked.task, domain=context.domain, defaults=dict(values)
    )
    progress = locked.progress()
    confirm_from_domains(locked.task, progress.scope, progress.by_domain)
    locked.task.save(update_fields=["undo", *CONFIRMATION_FIELDS])


# --- Undo


def undo_last_action(task: Task, *, by: User, expected: str = "") -> None:
    """Restore the values before the last user's action; a proof since then stays.

    `expected` is the time of the action on the user's page. Raises ConflictingChange if another
    action followed.
    """
    with transaction.atomic():
        locked = _lock(task)
        stored = locked.task.undo
        if expected and stored and stored["at"] != expected:
            raise ConflictingChange("Another action followed it. Nothing was undone.")
        actor = actor_for(by, locked.plan.tenant)
        require_permitted(locked.task, UNDO, actor, locked.context())
        restore(locked.task)
        progress = locked.progress()
        if confirm_from_domains(locked.task, progress.scope, progress.by_domain):
            locked.task.save(update_fields=CONFIRMATION_FIELDS)
        _write_activity(locked, ActivityName.ACTION_UNDONE, by=by)
        reevaluate(locked.plan)


# --- The lock that every transition starts with


@dataclass(frozen=True)
class _LockedTask:
    """A task and all tasks of its plan, locked until the transaction ends."""

    task: Task
    tasks: Sequence[Task]
    plan: Plan
    # Not read yet: the queryset stores its rows, so that the roll-up does not read them again.
    checks: QuerySet[Check]

    def progress(self) -> TaskProgress:
        return TaskProgress.load(self.task, self.plan.tenant)

    def context(
        self, *, domain: Domain | None = None, is_sign_off: bool = False
    ) -> TransitionContext:
        """The facts that decide about the task's transitions, read after the lock."""
        is_proof_needed = domain is not None and bool(self.task.check_kinds)
        tenant = self.plan.tenant
        progress = self.progress()
        safety = safe_times_for(
            [self.task], tenant, self.tasks, now=database_time.now(), checks=self.checks
        ).get(self.task)
        return TransitionContext(
            open_dependencies=open_dependencies_of(
                self.task, {each.key: each for each in self.tasks}
            ),
            progress=progress,
            **gate_times(safety, tenant),
            field_rows=field_rows_of(self.task, tenant, scope=progress.scope),
            unplanned_cutovers=unplanned_cutovers_of(self.task, self.tasks, self.plan),
            residual_risks=self._residual_risks(),
            domain=domain,
            verified_domain_ids=self._verified_domain_ids() if is_proof_needed else frozenset(),
            is_confirmed_by_sign_off=is_confirmed_by_sign_off(self.task),
            signed_sides=confirmations.signed_sides(self.task),
            is_sign_off=is_sign_off,
        )

    def _residual_risks(self) -> Sequence[ResidualRisk]:
        if self.task.role != TaskRole.CLOSURE:
            return ()
        return obligations_of(self.tasks, PlanContext.of(self.plan.tenant)).risks

    def _verified_domain_ids(self) -> frozenset[int]:
        return PlanContext.of(self.plan.tenant).evidence(self.task).verified_domain_ids

    def save(self, *fields: str) -> None:
        """Save these fields of the task together with the roll-up of the plan."""
        recompute_rollup(self.plan, self.tasks, edited=self.task, fields=fields, checks=self.checks)


def lock_open_task(task: Task) -> tuple[Task, Plan]:
    """Lock the task with its plan's tasks until the transaction ends; its current row and plan.

    Raises OnboardingError for a closed tenant, and ConflictingChange for a removed task.
    """
    locked = _lock(task)
    return locked.task, locked.plan


def _lock(task: Task) -> _LockedTask:
    tasks = lock_tasks(task.plan_id)
    # Read after the lock: a user who closes the tenant locks the tasks, too.
    plans = Plan.objects.select_related("tenant").annotate(
        has_webhooks=exist_for("tenant"), longest_outbound_days=longest_outbound_days()
    )
    plan = plans.get(pk=task.plan_id)
    if plan.tenant.is_closed:
        raise OnboardingError("The tenant has been closed. Nothing was changed.")
    locked = next((each for each in tasks if each.pk == task.pk), None)
    if locked is None:
        raise ConflictingChange("Another user removed this task. Nothing was changed.")
    locked.plan = plan
    sheet = getattr(locked, "sheet", None)
    if sheet is not None:
        sheet.refresh_from_db()
    return _LockedTask(locked, tasks, plan, checks_of(plan.tenant))


def _write_activity(locked: _LockedTask, action: ActivityName, *, by: User, **params: Any) -> None:
    task = locked.task
    write_activity(
        locked.plan.tenant,
        action,
        by=by,
        task=task.title,
        task_id=task.public_id,
        before=task.status,
        after=own_status(task).value,
        **params,
    )
