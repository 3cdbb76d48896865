"""What people do with tasks: confirm, take back, transition, exempt a domain, and undo.

Each action holds the task's row first, so that of two people at once the second sees what the first
did; each remembers what it changed, so that a wrong tick can be taken back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from checks.models import Check, SubmittedMessage
from checks.submitted_messages import submit_message
from checks.tasks import run_now
from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import (
    Cutover,
    DomainProgress,
    ManualStatus,
    Plan,
    RequirementsSheet,
    Responsibility,
    Task,
    TaskRole,
    TaskStatus,
)
from onboarding.plans import confirmations, domain_progress
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import own_status, recompute_rollup
from onboarding.plans.transitions import (
    NOT_CONFIRMABLE,
    TRANSITIONS,
    Actor,
    RequiredRole,
    Transition,
    TransitionContext,
    available_transitions,
    input_error,
    unread_status_text,
    waiting_side_after,
    why_not,
)
from onboarding.plans.undo import (
    can_undo,
    field_names,
    restore,
    restores_confirmations,
    store_undo,
)
from tenants.activity_names import ActivityName
from tenants.models import Domain, Tenant, User
from tenants.permissions import Permission, Role, may, role_in
from tenants.services import write_activity

_NO_MANUAL_STATUS: dict[str, Any] = {
    "manual_status": ManualStatus.NONE,
    "status_reason": "",
    "status_set_at": None,
    "status_set_by_id": None,
    "status_waiting_on": "",
    "accepted_until": None,
}


def side_of(user: User, tenant: Tenant) -> str:
    """Which side a person speaks for in this tenant: mimecast, client, or neither."""
    return side_of_role(role_in(user, tenant), is_closed=tenant.is_closed)


def side_of_role(role: Role | None, *, is_closed: bool = False) -> str:
    if role is None or not may(role, Permission.CONFIRM, is_closed=is_closed):
        return ""
    return Responsibility.MIMECAST if role.is_staff else Responsibility.CLIENT


def actor_for(user: User, tenant: Tenant) -> Actor:
    role = role_in(user, tenant)
    return Actor(
        side_of(user, tenant), may(role, Permission.MANAGE_PLAN, is_closed=tenant.is_closed)
    )


def context_of(task: Task) -> TransitionContext:
    return TransitionContext(
        status=task.status,
        manual_status=task.manual_status,
        responsibility=task.responsibility,
        is_group=task.is_group,
        is_optional=task.is_optional,
        is_wait=task.is_wait,
    )


def transitions_for(task: Task, actor: Actor) -> list[Transition]:
    """What this person can say of the task now."""
    return available_transitions(context_of(task), actor)


# --- Confirming


def confirm_task(
    task: Task,
    *,
    by: User,
    side: str,
    domain: Domain | None = None,
    signed: bool = False,
    seen: str = "",
) -> None:
    """One side says that its part is done, for all domains or for one.

    Where a check can prove it, that is a claim. A task whose hard gate is not open cannot be
    confirmed: going ahead would lose mail. One that gathers a sheet is confirmed by signing it off
    (`signed` says that this is what happens), for a change of the sheet must open it again.
    `seen` is the status the person had before them: words that came meanwhile are not wiped unread.
    """
    _refuse_other_side(task, side)
    with transaction.atomic():
        locked = _lock(task)
        if not signed and is_confirmed_by_sign_off(locked):
            raise OnboardingError("Sign its sheet off: that is what confirms this step.")
        if not locked.applies:
            raise OnboardingError("This task no longer applies, so there is nothing to confirm.")
        if locked.manual_status in NOT_CONFIRMABLE:
            raise OnboardingError(NOT_CONFIRMABLE[ManualStatus(locked.manual_status)])
        _refuse_unread_status(locked, seen)
        _refuse_out_of_scope(locked, domain)
        _refuse_closed_gate(locked)
        if not locked.manual_status and not confirmations.is_missing(locked, side, domain):
            # Pressed twice, or by two: what the first one did stays theirs, and theirs to undo.
            return
        now = timezone.now()
        store_undo(locked, by=by)
        confirmations.set_confirmation(locked, side, at=now, by=by, domain=domain)
        for name, value in _NO_MANUAL_STATUS.items():
            setattr(locked, name, value)
        locked.save(update_fields=field_names(_NO_MANUAL_STATUS))
        _record_action(
            locked, ActivityName.TASK_CONFIRMED, by=by, side=side, domain=str(domain or "")
        )


def withdraw_confirmation(
    task: Task, *, by: User, side: str, domain: Domain | None = None, signed: bool = False
) -> None:
    """One side takes its word back. A proof stands whatever people say."""
    _refuse_other_side(task, side)
    with transaction.atomic():
        locked = _lock(task)
        if not signed and is_confirmed_by_sign_off(locked) and side in locked.sheet.signed_sides:
            raise OnboardingError("Its sheet was signed off: take that back at the sheet.")
        _refuse_out_of_scope(locked, domain)
        if not confirmations.is_given(locked, side, domain):
            return
        store_undo(locked, by=by)
        confirmations.set_confirmation(locked, side, at=None, by=None, domain=domain)
        _record_action(
            locked, ActivityName.CONFIRMATION_WITHDRAWN, by=by, side=side, domain=str(domain or "")
        )


def is_confirmed_by_sign_off(task: Task) -> bool:
    """Whether signing its sheet off is what the task asks for."""
    sheet: RequirementsSheet | None = getattr(task, "sheet", None)
    return sheet is not None and sheet.confirms_task


def _refuse_unread_status(task: Task, seen: str) -> None:
    if seen and task.manual_status and task.status != seen:
        raise ConflictingChange(
            unread_status_text(
                task.manual_status, task.status_reason, by=str(task.status_set_by or "Somebody")
            )
        )


def _refuse_out_of_scope(task: Task, domain: Domain | None) -> None:
    if domain is not None and domain not in confirmations.domains_in_scope(task):
        raise OnboardingError(f"This task has no part of its own for {domain}.")


def _refuse_other_side(task: Task, side: str) -> None:
    if task.is_group:
        raise OnboardingError("This is a group: it is done when the tasks below it are done.")
    if task.is_wait:
        raise OnboardingError("Only time completes this: nobody can confirm it.")
    if side not in (Responsibility.MIMECAST, Responsibility.CLIENT):
        raise NotPermitted("You can read this plan, but not confirm its tasks.")
    if task.responsibility not in (side, Responsibility.BOTH):
        other = Responsibility(task.responsibility).label
        raise NotPermitted(f"This part is {other}'s to confirm.")


def _refuse_closed_gate(task: Task) -> None:
    open_dependencies = open_dependencies_of(task) if task.is_hard_gate else []
    if open_dependencies:
        titles = " and ".join(f"“{waited.title}”" for waited in open_dependencies[:2])
        more = f" and {len(open_dependencies) - 2} more" if len(open_dependencies) > 2 else ""
        raise OnboardingError(
            f"This waits for {titles}{more}: going ahead before that can lose mail."
        )


def open_dependencies_of(task: Task) -> list[Task]:
    """The tasks it depends on that still hold it up."""
    wanted = Task.objects.filter(plan_id=task.plan_id, key__in=task.depends_on)
    return [waited for waited in wanted if waited.blocks_dependents]


def set_responsibility(task: Task, responsibility: str, *, by: User, seen: str = "") -> None:
    """Settle whose task it is, where the article states no side. `seen` is whose it was before."""
    if task.is_wait:
        raise OnboardingError("Only time completes this: it is nobody’s part.")
    if task.responsibility_stated:
        raise OnboardingError("The article states who is responsible for this task.")
    if task.role == TaskRole.CLOSURE:
        raise OnboardingError("Both sides sign the implementation off.")
    with transaction.atomic():
        locked = _lock(task)
        if seen and locked.responsibility not in (seen, responsibility):
            now = Responsibility(locked.responsibility).label
            raise ConflictingChange(f"Somebody else chose “{now}” meanwhile. Nothing was changed.")
        locked.responsibility = responsibility
        locked.undo = None
        locked.save(update_fields=["responsibility", "undo"])
        _record_action(locked, ActivityName.RESPONSIBILITY_CHANGED, by=by, side=responsibility)


# --- Moving


def make_transition(
    task: Task,
    key: str,
    *,
    by: User,
    actor: Actor,
    reason: str = "",
    until: datetime | None = None,
    seen: str = "",
) -> None:
    """Say something of a task beside done or not. `seen` is the status the person had before them.

    Raises NotPermitted where the person may not, ConflictingChange where the task stands elsewhere by now,
    and OnboardingError where words or a day are missing.
    """
    transition = TRANSITIONS[key]
    now = timezone.now()
    with transaction.atomic():
        locked = _lock(task)
        if seen and locked.status != seen:
            raise ConflictingChange(_conflict_text(locked))
        refused = why_not(transition, context_of(locked), actor)
        if refused:
            steering = (
                transition.required_role is RequiredRole.CONSULTANT and not actor.may_manage_plan
            )
            raise NotPermitted(refused) if steering or not actor.side else OnboardingError(refused)
        problem = input_error(reason, until, transition, now=now)
        if problem:
            raise OnboardingError(problem)
        store_undo(locked, by=by)
        _set_manual_status(
            locked, transition, by=by, side=actor.side, reason=reason, until=until, at=now
        )
        _record_action(
            locked,
            ActivityName.TASK_STATUS_CHANGED,
            by=by,
            transition=transition.key,
            reason=locked.status_reason,
            until=until.isoformat() if until and transition.requires_end_date else "",
        )


def _conflict_text(task: Task) -> str:
    who = f" by {task.status_set_by}" if task.status_set_by is not None else ""
    return (
        f"The task moved meanwhile{who}: it is “{TaskStatus(task.status).label}” now."
        " Nothing was changed, and your words are kept here."
    )


def _set_manual_status(
    task: Task,
    transition: Transition,
    *,
    by: User,
    side: str,
    reason: str,
    until: datetime | None,
    at: datetime,
) -> None:
    marked = transition.manual_status is not ManualStatus.NONE
    task.manual_status = transition.manual_status
    task.status_reason = reason.strip() if marked else ""
    task.status_set_at = at if marked else None
    task.status_set_by = by if marked else None
    task.status_waiting_on = waiting_side_after(transition, side)
    task.accepted_until = until if transition.requires_end_date else None
    task.save(update_fields=field_names(_NO_MANUAL_STATUS))


def expire_accepted_risks(plan: Plan, *, now: datetime) -> int:
    """Open again what was accepted for a time that is over. Returns how many tasks that were."""
    over = Task.objects.filter(
        plan=plan, manual_status=ManualStatus.ACCEPTED_RISK, accepted_until__lte=now
    )
    if not over.exists():
        return 0
    with transaction.atomic():
        lock_tasks(plan.pk)
        tasks = list(over)
        for task in tasks:
            for name, value in _NO_MANUAL_STATUS.items():
                setattr(task, name, value)
            task.undo = None
            task.save(update_fields=[*field_names(_NO_MANUAL_STATUS), "undo"])
            write_activity(
                plan.tenant,
                ActivityName.RISK_ACCEPTANCE_EXPIRED,
                task=task.title,
                task_id=task.public_id,
            )
        recompute_rollup(plan)
        plan.touch()
    return len(tasks)


# --- Exempting a domain


def exempt_domain(task: Task, domain: Domain, *, by: User, reason: str) -> None:
    """Leave a domain, never the last one, out of a per-domain task, with the reason: parked."""
    if not task.is_per_domain or domain.role not in task.domain_roles:
        raise OnboardingError(f"This task is not done for {domain}: there is nothing to leave out.")
    if not reason.strip():
        raise OnboardingError("Say why the domain is exempt. It is still in scope.")
    _set_exemption(task, domain, by=by, reason=reason.strip()[:300])


def end_exemption(task: Task, domain: Domain, *, by: User) -> None:
    _set_exemption(task, domain, by=by, reason="")


def _set_exemption(task: Task, domain: Domain, *, by: User, reason: str) -> None:
    with transaction.atomic():
        locked = _lock(task)
        parts = DomainProgress.objects.filter(task=locked, domain=domain, exempted_at__isnull=False)
        there = parts.select_related("exempted_by").first()
        if there is not None and reason:
            raise ConflictingChange(
                f"{there.exempted_by or 'Somebody'} exempted {domain} meanwhile:"
                f" “{there.exempt_reason}”. Nothing was changed."
            )
        if there is None and not reason:
            return
        if reason and confirmations.domains_in_scope(locked) == [domain]:
            raise OnboardingError(f"{domain} is the last one: say that the step does not apply.")
        store_undo(locked, by=by)
        DomainProgress.objects.update_or_create(
            task=locked,
            domain=domain,
            defaults={
                "exempt_reason": reason,
                "exempted_at": timezone.now() if reason else None,
                "exempted_by": by if reason else None,
            },
        )
        domain_progress.sync_confirmations(locked, confirmations.domains_in_scope(locked))
        action = ActivityName.DOMAIN_EXEMPTED if reason else ActivityName.EXEMPTION_REMOVED
        _record_action(locked, action, by=by, domain=domain.name, reason=reason)
        # What the other domains' checks say may now be enough, or no longer.
        reevaluate(locked.plan)


# --- Undoing


def undo_last_action(task: Task, *, by: User, may_manage_plan: bool, seen: str = "") -> None:
    """Put back what the last person's action changed. What checks proved meanwhile stands. `seen` is
    the moment of the action that the person wants undone."""
    with transaction.atomic():
        locked = _lock(task)
        if seen and locked.undo and locked.undo["at"] != seen:
            raise ConflictingChange("Something else was said of it meanwhile. Nothing was undone.")
        if not can_undo(locked, by=by, may_manage_plan=may_manage_plan):
            raise OnboardingError("There is nothing of yours to undo here any more.")
        if restores_confirmations(locked):
            # Taking a word back and undoing that is no way around what it waits for.
            _refuse_closed_gate(locked)
        restore(locked)
        domain_progress.sync_confirmations(locked, confirmations.domains_in_scope(locked))
        _record_action(locked, ActivityName.ACTION_UNDONE, by=by)
        reevaluate(locked.plan)


# --- What every action ends with


def _lock(task: Task) -> Task:
    """The task, locked until the transaction ends and read anew; a closed plan moves no more."""
    lock_tasks(task.plan_id)
    locked = Task.objects.select_related("plan__tenant", "status_set_by").get(pk=task.pk)
    if locked.plan.tenant.is_closed:
        raise OnboardingError("The case was closed meanwhile. Nothing was changed.")
    return locked


def _record_action(task: Task, action: ActivityName, *, by: User, **params: Any) -> None:
    plan = task.plan
    before, after = task.status, own_status(task).value
    write_activity(
        plan.tenant,
        action,
        by=by,
        task=task.title,
        task_id=task.public_id,
        before=before,
        after=after,
        **params,
    )
    recompute_rollup(plan)
    plan.touch()


def submit_test_message(plan: Plan, check: Check, content: bytes, *, by: User) -> SubmittedMessage:
    """Keep the message until a worker has judged it, and have it looked at now.

    A message from before the domain's planned outbound cutover says nothing of it, so its moment
    goes along.
    """
    outbound = Cutover.objects.filter(plan=plan, direction=Cutover.Direction.OUTBOUND)
    planned = outbound.filter(domains=check.domain).first() if check.domain is not None else None
    with transaction.atomic():
        shown = submit_message(
            check,
            content,
            by=by,
            at=timezone.now(),
            not_before=planned.planned_at if planned is not None else None,
        )
        run_now([check])
        write_activity(
            plan.tenant,
            ActivityName.TEST_MESSAGE_SUBMITTED,
            by=by,
            domain=check.subject,
            sha256=shown.sha256,
        )
        plan.touch()
    return shown
