"""One act over many steps: who does them, when they are due, a comment on each, a reminder to
whoever is waited for. All or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction

from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.errors import OnboardingError
from onboarding.models import Plan, Reminder, Task
from onboarding.plans.assignment import assign_task
from onboarding.plans.dates import set_due_date
from onboarding.plans.queries import lock_tasks
from onboarding.plans.reminders import create_reminders
from tenants.models import User

MAX_TASKS = 200


@dataclass(frozen=True)
class BulkChange:
    """What to do with each of the steps; what is empty stays as it is."""

    person: str = ""
    due_on: date | None = None
    comment: str = ""
    remind: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.person or self.due_on or self.comment.strip() or self.remind)


@dataclass(frozen=True)
class BulkResult:
    """To how many steps it was done, and the mails to queue."""

    task_count: int
    reminders: Sequence[Reminder] = ()


def apply_to(
    plan: Plan,
    public_ids: Sequence[str],
    change: BulkChange,
    *,
    by: User,
    side: str,
    site_url: str = "",
) -> BulkResult:
    """Do it to each step. OnboardingError says why nothing was done."""
    if not public_ids:
        raise OnboardingError("Choose one step at least. Nothing was changed.")
    if len(public_ids) > MAX_TASKS:
        raise OnboardingError(f"Choose at most {MAX_TASKS} steps at once. Nothing was changed.")
    if change.is_empty:
        raise OnboardingError("Choose what to do with the steps. Nothing was changed.")
    with transaction.atomic():
        # All of them before the first line of the activity, as every act holds them.
        lock_tasks(plan.pk)
        wanted = Task.objects.filter(plan=plan, public_id__in=public_ids, is_group=False)
        tasks = list(wanted.select_related("plan__tenant").order_by("position"))
        if len(tasks) != len(set(public_ids)):
            raise OnboardingError("One of the steps is no longer there. Nothing was changed.")
        for task in tasks:
            _apply(task, change, by=by, side=side)
        return BulkResult(
            len(tasks), _create_reminders(plan, tasks, change, by=by, site_url=site_url)
        )


def _create_reminders(
    plan: Plan, tasks: Sequence[Task], change: BulkChange, *, by: User, site_url: str
) -> Sequence[Reminder]:
    if not change.remind:
        return ()
    # Giving it to somebody may have moved whom to remind.
    rows = Task.objects.filter(pk__in=[task.pk for task in tasks]).select_related("assignee")
    return create_reminders(plan, list(rows.order_by("position")), by=by, site_url=site_url)


def _apply(task: Task, change: BulkChange, *, by: User, side: str) -> None:
    if change.person:
        assign_task(task, change.person, by=by)
    if change.due_on is not None:
        set_due_date(task, change.due_on, by=by)
    if change.comment.strip():
        add_comment(task, NewComment(change.comment), by=by, side=side)
