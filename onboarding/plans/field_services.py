"""Store the values of a task's typed fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Task
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.queries import has_file
from onboarding.plans.services import lock_open_task, require_permitted
from onboarding.plans.task_fields import (
    FieldRow,
    definitions_of,
    rows_for,
    text_of,
    today_for,
)
from onboarding.plans.transitions import SET_FIELDS, Actor
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


def load_field_rows(task: Task, tenant: Tenant) -> tuple[FieldRow, ...]:
    """The fields of one task as they are stored now, for every domain in its roles."""
    return rows_for(task, tenant, list(tenant.domains.all()), has_file=has_file(task))


def fingerprint(rows: Sequence[FieldRow]) -> str:
    """A digest of the values, to detect a change by another user."""
    # An attached file and a fact of another page change no value that the form saves.
    saved = [row for row in rows if not row.definition.is_read_only]
    text = json.dumps([[row.name, row.value] for row in saved])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_fields(
    task: Task, values: Mapping[str, Any], *, by: User, actor: Actor, expected: str
) -> list[str]:
    """Store the values by the name of their form field, and return the changed labels.

    None clears a value. `expected` is the fingerprint of the values on the user's page. A required
    value of a confirmed task cannot be cleared, and an event of it cannot be ahead.

    Raises NotPermitted, ConflictingChange or OnboardingError.
    """
    with transaction.atomic():
        locked, plan = lock_open_task(task)
        require_permitted(locked, SET_FIELDS, actor)
        rows = load_field_rows(locked, plan.tenant)
        if expected != fingerprint(rows):
            raise ConflictingChange(
                "Another user changed these values. Nothing was saved. Your values are still in"
                " the form: compare them, then save again."
            )
        changed = [
            row
            for row in rows
            if not row.definition.is_read_only
            and row.name in values
            and values[row.name] != row.value
        ]
        for row in changed:
            _refuse_clearing(locked, row, values[row.name])
            _refuse_future(locked, plan.tenant, row, values[row.name])
            _store(locked, plan.tenant, row, values[row.name], by=by)
        locked.save(update_fields=["field_values"])
        if changed:
            write_activity(
                plan.tenant,
                ActivityName.TASK_FIELDS_SET,
                by=by,
                task=locked.title,
                task_id=locked.public_id,
                values=[[r.label, text_of(r.definition, values[r.name])] for r in changed],
            )
            plan.touch()
        if any(row.definition.sends for row in changed):
            # The task may need a message of another half now, or none of one.
            reevaluate(plan)
    return [row.label for row in changed]


def is_confirmed(task: Task) -> bool:
    """Whether a side has confirmed the task."""
    return bool(task.mimecast_confirmed_at or task.client_confirmed_at)


def confirmed_task_with(tenant: Tenant, column: str) -> Task | None:
    """Return the first confirmed task that requires this column of the profile, or None."""
    tasks = Task.objects.filter(plan__tenant=tenant, applies=True).order_by("position")
    return next(
        (
            task
            for task in tasks
            if is_confirmed(task)
            and any(each.profile == column and each.required for each in definitions_of(task))
        ),
        None,
    )


def _refuse_future(task: Task, tenant: Tenant, row: FieldRow, value: Any) -> None:
    """A confirmation states that the event is over."""
    if is_confirmed(task) and replace(row, value=value, today=today_for(tenant)).is_ahead:
        raise OnboardingError(
            f"“{row.label}” is in the future, but this task is confirmed. Withdraw the confirmation"
            " before you enter that day. Nothing was saved."
        )


def _refuse_clearing(task: Task, row: FieldRow, value: Any) -> None:
    if value is None and row.definition.required and is_confirmed(task):
        raise OnboardingError(
            f"The confirmation of this task needs “{row.label}”. Withdraw the confirmation before"
            " you clear the value. Nothing was saved."
        )


def _store(task: Task, tenant: Tenant, row: FieldRow, value: Any, *, by: User) -> None:
    column = row.definition.profile
    if column:
        setattr(tenant, column, value or "")
        tenant.save(update_fields=[column])
        return
    if value is None:
        task.field_values.pop(row.name, None)
        return
    at = database_time.now().isoformat()
    task.field_values[row.name] = {"value": value, "by": by.name, "at": at}
