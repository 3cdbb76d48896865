"""Stores the confirmation of a task by one side: for the whole task or for one domain.

`transitions.why_not` decides who may confirm, and states the reason of a refusal.
"""

from __future__ import annotations

from datetime import datetime

from onboarding.models import RequirementsSheet, Task
from onboarding.plans.domain_progress import (
    CONFIRMATION_FIELDS,
    TaskProgress,
    confirm_from_domains,
    set_confirmations,
)
from tenants.models import Domain, User


def set_confirmation(
    task: Task,
    side: str,
    *,
    at: datetime | None,
    by: User | None,
    domain: Domain | None,
    progress: TaskProgress,
) -> tuple[str, ...]:
    """Set one side's confirmation; None for `at` withdraws it.

    Saves the rows of the domains, not the task. Returns the fields of the task to save.
    """
    if not progress.scope:
        setattr(task, f"{side}_confirmed_at", at)
        setattr(task, f"{side}_confirmed_by", by)
        return f"{side}_confirmed_at", f"{side}_confirmed_by"
    chosen = progress.chosen(domain)
    if at is not None:
        # An earlier confirmation of a domain stays with the user who made it.
        confirmed = progress.confirmed_domain_ids(task, side)
        chosen = [each for each in chosen if each.pk not in confirmed]
    by_domain = set_confirmations(task, chosen, progress.by_domain, side=side, at=at, by=by)
    confirm_from_domains(task, progress.scope, by_domain)
    return CONFIRMATION_FIELDS


def is_confirmed_by_sign_off(task: Task) -> bool:
    """Whether the sign-off of the task's requirements sheet confirms the task."""
    sheet: RequirementsSheet | None = getattr(task, "sheet", None)
    return sheet is not None and sheet.confirms_task


def signed_sides(task: Task) -> list[str]:
    """The sides that have signed off the task's requirements sheet."""
    sheet: RequirementsSheet | None = getattr(task, "sheet", None)
    return sheet.signed_sides if sheet is not None else []
