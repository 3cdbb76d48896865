"""Complete a change of a sheet's rows: its revision, its number of rows, and the activity log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F

from onboarding.models import RequirementsSheet
from onboarding.requirements.sign_off import definition_of
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity


def store_change(
    locked: RequirementsSheet,
    action: ActivityName,
    *,
    by: User | None,
    what: str,
    rows: int,
    reopened: Sequence[str] = (),
    **more: Any,
) -> None:
    """Store the new revision, log the change and update open pages. `rows` is the difference."""
    RequirementsSheet.objects.filter(pk=locked.pk).update(
        revision=F("revision") + 1, row_count=F("row_count") + rows
    )
    plan = locked.task.plan
    write_activity(
        plan.tenant,
        action,
        by=by,
        sheet=definition_of(locked).title,
        task_id=locked.task.public_id,
        what=what,
        reopened=list(reopened),
        **more,
    )
    plan.touch()
