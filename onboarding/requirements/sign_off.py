"""Each side's sign-off of a sheet, and taking it back when the sheet changes.

Locks are taken in one order: the sheet, the plan's tasks, the activity's chain, the plan.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import RequirementsSheet, Responsibility, Task
from onboarding.plans import services
from onboarding.plans.transitions import CONFIRM, Actor, is_permitted
from onboarding.requirements.columns import SheetDefinition
from onboarding.requirements.definitions import DEFINITIONS
from tenants.models import User
from tenants.services import write_activity

_SIDES = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)


def definition_of(sheet: RequirementsSheet) -> SheetDefinition:
    return DEFINITIONS[sheet.kind]


def lock_sheet(sheet: RequirementsSheet) -> RequirementsSheet:
    """The sheet, locked until the transaction ends and read anew: who writes rows waits in line."""
    rows = RequirementsSheet.objects.select_for_update(of=("self",)).select_related(
        "task__plan__tenant"
    )
    return rows.get(pk=sheet.pk)


def counts_for(sheet: RequirementsSheet, side: str) -> bool:
    """Whether this side's sign-off is its part of the task. Where the task is the other side's,
    or asks for more than the list, a sign-off is no more than a word about the sheet."""
    actor = Actor(side, may_manage_plan=False)
    return definition_of(sheet).confirms_task and is_permitted(sheet.task, CONFIRM, actor)


def sign_off(sheet: RequirementsSheet, *, by: User, side: str, expected_revision: int) -> None:
    """One side says that the sheet is complete, and so confirms its part of the task.

    Raises ConflictingChange where the sheet is not the one the person looked at.
    """
    _require_side(side)
    with transaction.atomic():
        locked = lock_sheet(sheet)
        _refuse_signing(locked, side, expected_revision)
        setattr(locked, f"{side}_signed_at", timezone.now())
        setattr(locked, f"{side}_signed_by", by)
        locked.save(update_fields=[f"{side}_signed_at", f"{side}_signed_by"])
        if counts_for(locked, side):
            services.confirm_task(locked.task, by=by, side=side, signed=True)
            _clear_undo(locked)
        _note(locked, "sheet-signed-off", by=by, side=side)


def _require_side(side: str) -> None:
    if side not in _SIDES:
        raise NotPermitted("You can read this sheet, but not sign it off.")


def _refuse_signing(sheet: RequirementsSheet, side: str, expected_revision: int) -> None:
    if sheet.task.plan.tenant.is_closed:
        raise OnboardingError("The case was closed meanwhile. Nothing was signed.")
    if sheet.revision != expected_revision:
        raise ConflictingChange(
            "The sheet changed since you opened the page. Look at it again before you sign it off: "
            "nothing was signed."
        )
    if side in sheet.signed_sides:
        raise OnboardingError("Your side has signed this sheet off already.")
    if not sheet.task.applies:
        raise OnboardingError("The task does not apply, so there is nothing to sign off.")
    if definition_of(sheet).is_fixed and not sheet.row_count:
        raise OnboardingError("Nothing is answered yet, so there is nothing to sign off.")


def withdraw_sign_off(sheet: RequirementsSheet, *, by: User, side: str) -> None:
    """One side takes its own sign-off back, and with it its part of the task."""
    _require_side(side)
    with transaction.atomic():
        locked = lock_sheet(sheet)
        if side not in locked.signed_sides:
            raise OnboardingError("Your side has not signed this sheet off.")
        _clear_sign_off(locked, side, by=by)
        _note(locked, "sheet-sign-off-withdrawn", by=by, side=side)


def withdraw_sign_offs(locked: RequirementsSheet, *, by: User) -> list[str]:
    """After a change of the rows: every sign-off falls. Returns whose; call it before any activity
    is written, for it holds the plan's tasks."""
    sides = locked.signed_sides
    for side in sides:
        _clear_sign_off(locked, side, by=by)
    return sides


def _clear_sign_off(locked: RequirementsSheet, side: str, *, by: User) -> None:
    setattr(locked, f"{side}_signed_at", None)
    setattr(locked, f"{side}_signed_by", None)
    locked.save(update_fields=[f"{side}_signed_at", f"{side}_signed_by"])
    task = Task.objects.select_related("plan__tenant").get(pk=locked.task_id)
    if not definition_of(locked).confirms_task or getattr(task, f"{side}_confirmed_at") is None:
        return
    if counts_for(locked, side):
        services.withdraw_confirmation(task, by=by, side=side, signed=True)
    else:
        # The task is the other side's by now: should it come back, this word is none any more.
        Task.objects.filter(pk=task.pk).update(
            **{f"{side}_confirmed_at": None, f"{side}_confirmed_by": None}
        )
    _clear_undo(locked)


def _clear_undo(locked: RequirementsSheet) -> None:
    """Undoing at the task would part its confirmation from the sign-off it stands for."""
    Task.objects.filter(pk=locked.task_id).update(undo=None)


def _note(locked: RequirementsSheet, action: str, *, by: User, side: str) -> None:
    plan = locked.task.plan
    write_activity(
        plan.tenant,
        action,
        by=by,
        sheet=definition_of(locked).title,
        task_id=locked.task.public_id,
        side=side,
        rows=locked.row_count,
    )
    plan.touch()
