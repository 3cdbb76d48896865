"""Sign off a sheet for one side, and withdraw the sign-offs when the sheet changes.

The lock order is: the sheet, the plan's tasks, the chain of the activity log, the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import RequirementsSheet, Responsibility, SheetRow, Task
from onboarding.plans import services
from onboarding.plans.transitions import CONFIRM, Actor, is_permitted
from onboarding.requirements.columns import SheetDefinition
from onboarding.requirements.definitions import DEFINITIONS
from onboarding.requirements.host_values import hosts_in, hosts_of, shows_hosts
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity

_SIDES = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)


class SignOffReasonMissing(OnboardingError):
    """Fixed questions are unanswered, and the sign-off states no reason."""

    field = "reason"


def definition_of(sheet: RequirementsSheet) -> SheetDefinition:
    return DEFINITIONS[sheet.kind]


def lock_sheet(sheet: RequirementsSheet) -> RequirementsSheet:
    """The current sheet, locked until the transaction ends. Writers of rows wait for the lock.

    Raises ConflictingChange if an upgrade of the plan removed the sheet.
    """
    rows = RequirementsSheet.objects.select_for_update(of=("self",), no_key=True).select_related(
        "task__plan__tenant"
    )
    locked = rows.filter(pk=sheet.pk).first()
    if locked is None:
        raise ConflictingChange("The sheet was removed with its task. Nothing was changed.")
    return locked


def counts_for(sheet: RequirementsSheet, side: str) -> bool:
    """Whether the sign-off of this side also confirms its part of the task.

    It does not if the other side is responsible for the task, or if the task asks for more than
    the list.
    """
    actor = Actor(side, may_manage_plan=False)
    return definition_of(sheet).confirms_task and is_permitted(sheet.task, CONFIRM, actor)


def unanswered_questions(sheet: RequirementsSheet) -> list[str]:
    """The texts of the fixed questions without an answer, in their order."""
    if not definition_of(sheet).is_fixed:
        return []
    rows = (
        SheetRow.objects.filter(sheet=sheet).order_by("position").values_list("values", flat=True)
    )
    return [values["question"] for values in rows if not values["answer"]]


def sign_off(
    sheet: RequirementsSheet, *, by: User, side: str, expected_revision: int, reason: str = ""
) -> None:
    """Sign the sheet off for one side, and confirm that side's part of the task.

    Raises ConflictingChange if the sheet is no longer at `expected_revision`, NotPermitted without
    a side, SignOffReasonMissing if questions are unanswered and no reason is given, and
    OnboardingError if there is nothing to sign off. A complete sheet stores no reason.
    """
    _require_side(side)
    with transaction.atomic():
        locked = lock_sheet(sheet)
        _refuse_signing(locked, side, expected_revision)
        _store_signed_hosts(locked)
        unanswered = unanswered_questions(locked)
        if unanswered and not reason.strip():
            raise SignOffReasonMissing(
                f"{_count_questions(unanswered)} unanswered. State the reason for signing off "
                "without these answers."
            )
        _set_sign_off(locked, side, by=by, reason=reason.strip() if unanswered else "")
        if counts_for(locked, side):
            services.confirm_task(locked.task, by=by, side=side, signed=True)
            _clear_undo(locked)
        more = {"unanswered": unanswered, "reason": reason.strip()} if unanswered else {}
        _note(locked, ActivityName.SHEET_SIGNED_OFF, by=by, side=side, **more)


def _store_signed_hosts(sheet: RequirementsSheet) -> None:
    """Store the delivery hosts at the first sign-off. Raises ConflictingChange if they changed.

    The second side signs the same hosts as the first.
    """
    kind = definition_of(sheet)
    if not shows_hosts(kind):
        return
    present = hosts_of(sheet.task.plan.tenant)
    hosts = sorted(map(str, present))
    if sheet.signed_sides:
        if sheet.signed_hosts not in (None, hosts):
            raise ConflictingChange(
                "The delivery hosts changed after the first sign-off. Withdraw that sign-off, check"
                " the sheet and sign it again. Nothing was signed."
            )
        return
    rows = SheetRow.objects.filter(sheet=sheet).values_list("values", flat=True)
    if not hosts_in(kind, rows) <= present:
        raise ConflictingChange(
            "The delivery hosts changed at this moment. Reload the page and check the sheet."
            " Nothing was signed."
        )
    sheet.signed_hosts = hosts
    sheet.save(update_fields=["signed_hosts"])


def _count_questions(texts: Sequence[str]) -> str:
    return "1 question is" if len(texts) == 1 else f"{len(texts)} questions are"


def _set_sign_off(sheet: RequirementsSheet, side: str, *, by: User | None, reason: str) -> None:
    """Store the sign-off of one side, or its withdrawal without `by`."""
    values = {"signed_at": database_time.now() if by else None, "signed_by": by}
    for name, value in (values | {"sign_off_reason": reason}).items():
        setattr(sheet, f"{side}_{name}", value)
    sheet.save(update_fields=[f"{side}_{name}" for name in (*values, "sign_off_reason")])


def _require_side(side: str) -> None:
    if side not in _SIDES:
        raise NotPermitted("You can read this sheet, but not sign it off.")


def _refuse_signing(sheet: RequirementsSheet, side: str, expected_revision: int) -> None:
    if sheet.task.plan.tenant.is_closed:
        raise OnboardingError("The tenant has been closed. Nothing was signed.")
    if sheet.revision != expected_revision:
        raise ConflictingChange(
            "The sheet has changed since you opened the page. Check it before you sign it off. "
            "Nothing was signed."
        )
    if side in sheet.signed_sides:
        raise OnboardingError("Your side has signed this sheet off already.")
    if not sheet.task.applies:
        raise OnboardingError("The task does not apply, so there is nothing to sign off.")
    if definition_of(sheet).is_fixed and not sheet.row_count:
        raise OnboardingError("No question is answered yet, so there is nothing to sign off.")


def withdraw_sign_off(sheet: RequirementsSheet, *, by: User, side: str) -> None:
    """Withdraw the sign-off of one side, and with it that side's confirmation of the task.

    Raises OnboardingError if the side has not signed the sheet off.
    """
    _require_side(side)
    with transaction.atomic():
        locked = lock_sheet(sheet)
        if side not in locked.signed_sides:
            raise OnboardingError("Your side has not signed this sheet off.")
        _clear_sign_off(locked, side, by=by)
        _note(locked, ActivityName.SHEET_SIGN_OFF_WITHDRAWN, by=by, side=side)


def withdraw_sign_offs(locked: RequirementsSheet, *, by: User) -> list[str]:
    """Withdraw all sign-offs after a change of the rows. Returns their sides.

    Call it before writing activity: it locks the plan's tasks, and the lock order requires that.
    """
    sides = locked.signed_sides
    for side in sides:
        _clear_sign_off(locked, side, by=by)
    return sides


def _clear_sign_off(locked: RequirementsSheet, side: str, *, by: User) -> None:
    _set_sign_off(locked, side, by=None, reason="")
    if not locked.signed_sides:
        locked.signed_hosts, locked.hosts_changed_at = None, None
        locked.save(update_fields=["signed_hosts", "hosts_changed_at"])
    task = Task.objects.select_related("plan__tenant").get(pk=locked.task_id)
    if not definition_of(locked).confirms_task or getattr(task, f"{side}_confirmed_at") is None:
        return
    if counts_for(locked, side):
        services.withdraw_confirmation(task, by=by, side=side, signed=True)
    else:
        # The other side is responsible now. The confirmation must not count if that changes again.
        Task.objects.filter(pk=task.pk).update(
            **{f"{side}_confirmed_at": None, f"{side}_confirmed_by": None}
        )
    _clear_undo(locked)


def _clear_undo(locked: RequirementsSheet) -> None:
    """Clear the undo: it would separate the confirmation from its sign-off."""
    Task.objects.filter(pk=locked.task_id).update(undo=None)


def _note(
    locked: RequirementsSheet, action: ActivityName, *, by: User, side: str, **more: Any
) -> None:
    plan = locked.task.plan
    write_activity(
        plan.tenant,
        action,
        by=by,
        sheet=definition_of(locked).title,
        task_id=locked.task.public_id,
        side=side,
        rows=locked.row_count,
        **more,
    )
    plan.touch()
