"""Steps that one tenant's plan has beside the template's: adding, changing and removing them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.models import Phase, Plan, Responsibility, Task
from onboarding.plans.dates import follow_dates
from onboarding.plans.holding import hold_plan
from onboarding.plans.standing import refresh_states
from tenants.models import Domain, User
from tenants.services import write_activity

MOST = 200
# No template's key begins like this, so none is ever taken for a step of a tenant's own.
KEY_PREFIX = "own-"
DOMAIN_ROLES = [
    Domain.Role.PRIMARY.value,
    Domain.Role.SECONDARY.value,
    Domain.Role.TEST.value,
    Domain.Role.SEND_ONLY.value,
]


@dataclass(frozen=True)
class Wording:
    """A step as somebody writes it down."""

    phase: str
    title: str
    instructions: str = ""
    responsibility: str = Responsibility.BOTH.value
    due_on: date | None = None
    is_per_domain: bool = False
    is_optional: bool = False

    @property
    def mark(self) -> str:
        """Tells one wording from another, to notice that somebody else changed it."""
        said = "\0".join(f"{name}={value}" for name, value in asdict(self).items())
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def wording_of(task: Task) -> Wording:
    return Wording(
        phase=task.phase.key,
        title=task.title,
        instructions=task.instructions,
        responsibility=task.responsibility,
        due_on=task.due_on if task.is_due_by_hand else None,
        is_per_domain=task.is_per_domain,
        is_optional=task.is_optional,
    )


def add_task(plan: Plan, wording: Wording, *, by: User) -> Task:
    """One more step at the end of its phase."""
    with transaction.atomic():
        held = hold_plan(plan.pk)
        if sum(task.is_own for task in held) >= MOST:
            raise OnboardingError(f"A plan holds at most {MOST} steps of its own.")
        phase = _phase(plan, wording.phase)
        task = Task.objects.create(
            plan=plan,
            key=f"{KEY_PREFIX}{secrets.token_hex(6)}",
            is_own=True,
            position=_room_in(plan, phase),
            **_columns(wording, phase),
        )
        _after(task, "own-task-added", by=by)
    return task


def change_task(task: Task, wording: Wording, *, seen: str, by: User) -> None:
    """Word it anew. `seen` is the mark of the wording that the person had before them.

    What was said and done on it stays; only whether it is done domain by domain is settled once
    something was.
    """
    with transaction.atomic():
        held = _hold_own(task)
        before = wording_of(held)
        if before.mark != seen:
            raise MovedMeanwhile(
                "Somebody else changed this step while you had it open. What you typed is kept and"
                " not saved: compare it with the plan, then save again."
            )
        if before == wording:
            return
        if before.is_per_domain != wording.is_per_domain and not is_untouched(held):
            raise OnboardingError(
                "Something was done on it already, so it stays as it is in this: domain by domain,"
                " or once for all."
            )
        phase = _phase(held.plan, wording.phase)
        if phase.pk != held.phase_id:
            held.position = _room_in(held.plan, phase)
        columns = {**_columns(wording, phase), "undo": None, "position": held.position}
        if before.is_per_domain == wording.is_per_domain:
            # One that came from a template is proven for the roles that it names.
            del columns["domain_roles"]
        Task.objects.filter(pk=held.pk).update(**columns)
        follow_dates(held.plan)
        changed = [name for name, value in asdict(before).items() if asdict(wording)[name] != value]
        _after(Task.objects.get(pk=held.pk), "own-task-changed", by=by, changed=changed)


def remove_task(task: Task, *, by: User) -> None:
    """Take it off the plan, as long as nobody did anything on it."""
    with transaction.atomic():
        held = _hold_own(task)
        if not is_untouched(held):
            raise OnboardingError(
                "Something was done or said on it already, and nothing of that is destroyed. Set it"
                " aside in words instead: “It does not apply”."
            )
        held.delete()
        _after(held, "own-task-removed", by=by)


def is_untouched(task: Task) -> bool:
    """Whether nobody and nothing has left a trace on it: no word, no proof, no comment, no file."""
    facts = (
        *(task.mimecast_confirmed_at, task.client_confirmed_at, task.proven_at, task.broken_at),
        task.mark,
    )
    if any(facts):
        return False
    traces = (task.comments, task.files, task.hand_offs, task.parts)
    if any(rows.exists() for rows in traces):
        return False
    sheet = getattr(task, "sheet", None)
    return sheet is None or not (sheet.rows_total or sheet.signed_sides)


def _hold_own(task: Task) -> Task:
    hold_plan(task.plan_id)
    found = Task.objects.select_related("plan__tenant", "phase").filter(pk=task.pk).first()
    if found is None:
        raise MovedMeanwhile("Somebody else removed this step meanwhile.")
    if not found.is_own:
        raise OnboardingError("This step comes from the plan template: it is changed there.")
    return found


def _phase(plan: Plan, key: str) -> Phase:
    found = Phase.objects.filter(plan=plan, key=key).first()
    if found is None:
        raise OnboardingError("The plan has no such phase any more. Choose another.")
    return found


def _room_in(plan: Plan, phase: Phase) -> int:
    """The position behind the phase's last step, with those behind it moved on by one."""
    up_to_here = Task.objects.filter(plan=plan, phase__position__lte=phase.position)
    last = up_to_here.aggregate(last=Max("position"))["last"]
    position = 0 if last is None else int(last) + 1
    Task.objects.filter(plan=plan, position__gte=position).update(position=F("position") + 1)
    return position


def _columns(wording: Wording, phase: Phase) -> dict[str, Any]:
    return {
        "phase": phase,
        "title": wording.title,
        "instructions": wording.instructions,
        "responsibility": wording.responsibility,
        "due_on": wording.due_on,
        "is_due_by_hand": wording.due_on is not None,
        "is_per_domain": wording.is_per_domain,
        "domain_roles": DOMAIN_ROLES if wording.is_per_domain else [],
        "is_optional": wording.is_optional,
    }


def _after(task: Task, act: str, *, by: User, **params: Any) -> None:
    plan = task.plan
    write_activity(
        plan.tenant,
        act,
        by=by,
        task=task.title,
        task_id=task.public_id,
        phase=task.phase.title,
        **params,
    )
    refresh_states(plan)
    plan.touch()
