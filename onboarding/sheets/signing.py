"""Each side's sign-off of a sheet, and taking it back when the sheet changes.

Locks are taken in one order: the sheet, the plan's tasks, the activity's chain, the plan.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from onboarding.errors import MovedMeanwhile, NotYours, OnboardingError
from onboarding.models import Responsibility, Sheet, Task
from onboarding.plans import task_acts
from onboarding.sheets.columns import Kind
from onboarding.sheets.kinds import KINDS
from tenants.models import User
from tenants.services import write_activity

_SIDES = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)


def kind_of(sheet: Sheet) -> Kind:
    return KINDS[sheet.kind]


def hold(sheet: Sheet) -> Sheet:
    """The sheet, held until the transaction ends and read anew: who writes rows waits in line."""
    rows = Sheet.objects.select_for_update(of=("self",)).select_related("task__plan__tenant")
    return rows.get(pk=sheet.pk)


def counts_for(sheet: Sheet, side: str) -> bool:
    """Whether this side's sign-off is its part of the task. Where the task is the other side's,
    or asks for more than the list, a sign-off is no more than a word about the sheet."""
    return kind_of(sheet).confirms and sheet.task.responsibility in (side, Responsibility.BOTH)


def sign_off(sheet: Sheet, *, by: User, side: str, seen_revision: int) -> None:
    """One side says that the sheet is complete, and so confirms its part of the task.

    Raises MovedMeanwhile where the sheet is not the one the person looked at.
    """
    _refuse_stranger(side)
    with transaction.atomic():
        held = hold(sheet)
        _refuse_signing(held, side, seen_revision)
        setattr(held, f"{side}_signed_at", timezone.now())
        setattr(held, f"{side}_signed_by", by)
        held.save(update_fields=[f"{side}_signed_at", f"{side}_signed_by"])
        if counts_for(held, side):
            task_acts.confirm_task(held.task, by=by, side=side, signed=True)
            _leave_to_sheet(held)
        _note(held, "sheet-signed", by=by, side=side)


def _refuse_stranger(side: str) -> None:
    if side not in _SIDES:
        raise NotYours("You can read this sheet, but not sign it off.")


def _refuse_signing(sheet: Sheet, side: str, seen_revision: int) -> None:
    if sheet.task.plan.tenant.is_closed:
        raise OnboardingError("The case was closed meanwhile. Nothing was signed.")
    if sheet.revision != seen_revision:
        raise MovedMeanwhile(
            "The sheet changed since you opened the page. Look at it again before you sign it off: "
            "nothing was signed."
        )
    if side in sheet.signed_sides:
        raise OnboardingError("Your side has signed this sheet off already.")
    if not sheet.task.applies:
        raise OnboardingError("The task does not apply, so there is nothing to sign off.")
    if kind_of(sheet).is_fixed and not sheet.rows_total:
        raise OnboardingError("Nothing is answered yet, so there is nothing to sign off.")


def withdraw(sheet: Sheet, *, by: User, side: str) -> None:
    """One side takes its own sign-off back, and with it its part of the task."""
    _refuse_stranger(side)
    with transaction.atomic():
        held = hold(sheet)
        if side not in held.signed_sides:
            raise OnboardingError("Your side has not signed this sheet off.")
        _take_back(held, side, by=by)
        _note(held, "sheet-unsigned", by=by, side=side)


def reopen(held: Sheet, *, by: User) -> list[str]:
    """After a change of the rows: every sign-off falls. Returns whose; call it before any activity
    is written, for it holds the plan's tasks."""
    sides = held.signed_sides
    for side in sides:
        _take_back(held, side, by=by)
    return sides


def _take_back(held: Sheet, side: str, *, by: User) -> None:
    setattr(held, f"{side}_signed_at", None)
    setattr(held, f"{side}_signed_by", None)
    held.save(update_fields=[f"{side}_signed_at", f"{side}_signed_by"])
    task = Task.objects.select_related("plan__tenant").get(pk=held.task_id)
    if not kind_of(held).confirms or getattr(task, f"{side}_confirmed_at") is None:
        return
    if counts_for(held, side):
        task_acts.withdraw_confirmation(task, by=by, side=side, signed=True)
    else:
        # The task is the other side's by now: should it come back, this word is none any more.
        Task.objects.filter(pk=task.pk).update(
            **{f"{side}_confirmed_at": None, f"{side}_confirmed_by": None}
        )
    _leave_to_sheet(held)


def _leave_to_sheet(held: Sheet) -> None:
    """Undoing at the task would part its confirmation from the sign-off it stands for."""
    Task.objects.filter(pk=held.task_id).update(undo=None)


def _note(held: Sheet, act: str, *, by: User, side: str) -> None:
    plan = held.task.plan
    write_activity(
        plan.tenant,
        act,
        by=by,
        sheet=kind_of(held).title,
        task_id=held.task.public_id,
        side=side,
        rows=held.rows_total,
    )
    plan.touch()
