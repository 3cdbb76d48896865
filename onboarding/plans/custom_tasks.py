"""Steps that one tenant's plan has beside the template's: adding, changing and removing them."""

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
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from tenants.activity_names import ActivityName
from tenants.models import Domain, User
from tenants.services import write_activity

MAX_CUSTOM_TASKS = 200
# No template's key begins like this, so none is ever taken for a step of a tenant's own.
KEY_PREFIX = "own-"
DOMAIN_ROLES = [
    Domain.Role.PRIMARY.value,
    Domain.Role.SECONDARY.value,
    Domain.Role.TEST.value,
    Domain.Role.SEND_ONLY.value,
]


@dataclass(frozen=True)
class CustomTaskContent:
    """A step as somebody writes it down."""

    phase: str
    title: str
    instructions: str = ""
    responsibility: str = Responsibility.BOTH.value
    due_on: date | None = None
    is_per_domain: bool = False
    is_optional: bool = False

    @property
    def fingerprint(self) -> str:
        """Tells one content from another, to notice that somebody else changed it."""
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
    """One more step at the end of its phase."""
    with transaction.atomic():
        locked = lock_tasks(plan.pk)
        if sum(task.is_custom for task in locked) >= MAX_CUSTOM_TASKS:
            raise OnboardingError(f"A plan holds at most {MAX_CUSTOM_TASKS} steps of its own.")
        phase = _phase(plan, content.phase)
        task = Task.objects.create(
            plan=plan,
            key=f"{KEY_PREFIX}{secrets.token_hex(6)}",
            is_custom=True,
            position=_make_position(plan, phase),
            **_columns(content, phase),
        )
        _record_action(task, ActivityName.CUSTOM_TASK_ADDED, by=by)
    return task


def change_task(task: Task, content: CustomTaskContent, *, seen: str, by: User) -> None:
    """Word it anew. `seen` is the fingerprint of the content that the person had before them.

    What was said and done on it stays; only whether it is done domain by domain is settled once
    something was.
    """
    with transaction.atomic():
        locked = _lock_custom_task(task)
        before = content_of(locked)
        if before.fingerprint != seen:
            raise ConflictingChange(
                "Somebody else changed this step while you had it open. What you typed is kept and"
                " not saved: compare it with the plan, then save again."
            )
        if before == content:
            return
        if before.is_per_domain != content.is_per_domain and not is_untouched(locked):
            raise OnboardingError(
                "Something was done on it already, so it stays as it is in this: domain by domain,"
                " or once for all."
            )
        phase = _phase(locked.plan, content.phase)
        if phase.pk != locked.phase_id:
            locked.position = _make_position(locked.plan, phase)
        columns = {**_columns(content, phase), "undo": None, "position": locked.position}
        if before.is_per_domain == content.is_per_domain:
            # One that came from a template is proven for the roles that it names.
            del columns["domain_roles"]
        Task.objects.filter(pk=locked.pk).update(**columns)
        update_due_dates(locked.plan)
        changed = [name for name, value in asdict(before).items() if asdict(content)[name] != value]
        _record_action(
            Task.objects.get(pk=locked.pk), ActivityName.CUSTOM_TASK_CHANGED, by=by, changed=changed
        )


def remove_task(task: Task, *, by: User) -> None:
    """Take it off the plan, as long as nobody did anything on it."""
    with transaction.atomic():
        locked = _lock_custom_task(task)
        if not is_untouched(locked):
            raise OnboardingError(
                "Something was done or said on it already, and nothing of that is destroyed. Set it"
                " aside in words instead: “It does not apply”."
            )
        locked.delete()
        _record_action(locked, ActivityName.CUSTOM_TASK_REMOVED, by=by)


def is_untouched(task: Task) -> bool:
    """Whether nobody and nothing has left a trace on it: no word, no proof, no comment, no file."""
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


def _lock_custom_task(task: Task) -> Task:
    lock_tasks(task.plan_id)
    found = Task.objects.select_related("plan__tenant", "phase").filter(pk=task.pk).first()
    if found is None:
        raise ConflictingChange("Somebody else removed this step meanwhile.")
    if not found.is_custom:
        raise OnboardingError("This step comes from the plan template: it is changed there.")
    return found


def _phase(plan: Plan, key: str) -> Phase:
    found = Phase.objects.filter(plan=plan, key=key).first()
    if found is None:
        raise OnboardingError("The plan has no such phase any more. Choose another.")
    return found


def _make_position(plan: Plan, phase: Phase) -> int:
    """The position behind the phase's last step, with those behind it moved on by one."""
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
    plan.touch()
