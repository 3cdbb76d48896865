"""Custom tasks: tasks of one plan that its template does not have. Add, change and remove."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Phase, Plan, Responsibility, Task
from onboarding.plans.dates import update_due_dates
from onboarding.plans.evaluation import recompute_waits_after_commit
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from tenants.activity_names import ActivityName
from tenants.models import Domain, User
from tenants.services import write_activity

MAX_CUSTOM_TASKS = 200
# No template key begins with this prefix, so a custom task cannot have the key of another task.
KEY_PREFIX = "own-"
DOMAIN_ROLES = [
    Domain.Role.PRIMARY.value,
    Domain.Role.SECONDARY.value,
    Domain.Role.TEST.value,
    Domain.Role.SEND_ONLY.value,
]


@dataclass(frozen=True)
class CustomTaskContent:
    """The editable values of a custom task."""

    phase: str
    title: str
    instructions: str = ""
    responsibility: str = Responsibility.BOTH.value
    due_on: date | None = None
    is_per_domain: bool = False
    is_optional: bool = False

    @property
    def fingerprint(self) -> str:
        """A digest of the values, to detect a change by another user."""
        text = "\0".join(f"{name}={value}" for name, value in asdict(self).items())
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_of(task: Task) -> CustomTaskContent:
    return CustomTaskContent(
        phase=task.phase.key,
        title=task.title,
        instructions=task.instructions,
        responsibility=task.responsibility,
        due_on=task.due_on if task.is_due_date_manual else None,
        is_per_domain=task.is_per_domain,
        is_optional=task.is_optional,
    )


def add_task(plan: Plan, content: CustomTaskContent, *, by: User) -> Task:
    """Add a task at the end of its phase. Raises OnboardingError if the plan has too many."""
    with transaction.atomic():
        lock_tasks(plan.pk)
        # Counted after the lock: its result lacks the tasks that others added while it waited.
        if Task.objects.filter(plan=plan, is_custom=True).count() >= MAX_CUSTOM_TASKS:
            raise OnboardingError(f"A plan can have at most {MAX_CUSTOM_TASKS} custom tasks.")
        phase = _phase(plan, content.phase)
        task = Task.objects.create(
            plan=plan,
            key=f"{KEY_PREFIX}{secrets.token_hex(6)}",
            is_custom=True,
            position=_make_position(plan, phase),
            **_columns(content, phase),
        )
        _record_action(task, ActivityName.CUSTOM_TASK_ADDED, by=by)
        # A transaction that waits for the lock has read the tasks without the new one.
        recompute_waits_after_commit(plan)
    return task


def change_task(task: Task, content: CustomTaskContent, *, expected: str, by: User) -> None:
    """Change a custom task. `expected` is the fingerprint of the values on the user's page.

    Confirmations, comments and files remain. Raises ConflictingChange if another user changed the
    task, and OnboardingError if `is_per_domain` changes although one of them exists.
    """
    with transaction.atomic():
        locked = _lock_custom_task(task)
        before = content_of(locked)
        if before.fingerprint != expected:
            raise ConflictingChange(
                "Another user changed this task while you edited it. Your changes are not saved."
                " Compare them with the plan, then save again."
            )
        if before == content:
            return
        if before.is_per_domain != content.is_per_domain and not is_untouched(locked):
            raise OnboardingError(
                "This task has confirmations, comments or files. You can no longer change whether"
                " it is done for each domain."
            )
        phase = _phase(locked.plan, content.phase)
        if phase.pk != locked.phase_id:
            locked.position = _make_position(locked.plan, phase)
        columns = {**_columns(content, phase), "undo": None, "position": locked.position}
        if before.is_per_domain == content.is_per_domain:
            # A task that came from a template is verified for the domain roles of the template.
            del columns["domain_roles"]
        Task.objects.filter(pk=locked.pk).update(**columns)
        update_due_dates(locked.plan)
        changed = [name for name, value in asdict(before).items() if asdict(content)[name] != value]
        _record_action(
            Task.objects.get(pk=locked.pk), ActivityName.CUSTOM_TASK_CHANGED, by=by, changed=changed
        )


def remove_task(task: Task, *, by: User) -> None:
    """Remove a custom task. Raises OnboardingError if it has confirmations, comments or files."""
    with transaction.atomic():
        locked = _lock_custom_task(task, deletes=True)
        if not is_untouched(locked):
            raise OnboardingError(
                "This task has confirmations, comments or files, so it cannot be removed."
                " Mark it as not applicable instead."
            )
        locked.delete()
        _record_action(locked, ActivityName.CUSTOM_TASK_REMOVED, by=by)


def is_untouched(task: Task) -> bool:
    """Whether the task has no confirmation, proof, manual status, comment, file or sheet row."""
    facts = (
        *(
            task.mimecast_confirmed_at,
            task.client_confirmed_at,
            task.verified_at,
            task.regressed_at,
        ),
        task.manual_status,
    )
    if any(facts):
        return False
    traces = (task.comments, task.files, task.share_links, task.domain_progress)
    if any(rows.exists() for rows in traces):
        return False
    sheet = getattr(task, "sheet", None)
    return sheet is None or not (sheet.row_count or sheet.signed_sides)


def _lock_custom_task(task: Task, *, deletes: bool = False) -> Task:
    lock_tasks(task.plan_id, deletes=deletes)
    found = Task.objects.select_related("plan__tenant", "phase").filter(pk=task.pk).first()
    if found is None:
        raise ConflictingChange("Another user removed this task.")
    if not found.is_custom:
        raise OnboardingError("This task comes from the plan template. Change it in the template.")
    return found


def _phase(plan: Plan, key: str) -> Phase:
    found = Phase.objects.filter(plan=plan, key=key).first()
    if found is None:
        raise OnboardingError("The plan no longer has this phase. Choose another one.")
    return found


def _make_position(plan: Plan, phase: Phase) -> int:
    """The position after the last task of the phase; later tasks move by one."""
    up_to_here = Task.objects.filter(plan=plan, phase__position__lte=phase.position)
    last = up_to_here.aggregate(last=Max("position"))["last"]
    position = 0 if last is None else int(last) + 1
    Task.objects.filter(plan=plan, position__gte=position).update(position=F("position") + 1)
    return position


def _columns(content: CustomTaskContent, phase: Phase) -> dict[str, Any]:
    return {
        "phase": phase,
        "title": content.title,
        "instructions": content.instructions,
        "responsibility": content.responsibility,
        "due_on": content.due_on,
        "is_due_date_manual": content.due_on is not None,
        "is_per_domain": content.is_per_domain,
        "domain_roles": DOMAIN_ROLES if content.is_per_domain else [],
        "is_optional": content.is_optional,
    }


def _record_action(task: Task, action: ActivityName, *, by: User, **params: Any) -> None:
    plan = task.plan
    write_activity(
        plan.tenant,
        action,
        by=by,
        task=task.title,
        task_id=task.public_id,
        phase=task.phase.title,
        **params,
    )
    recompute_rollup(plan)
