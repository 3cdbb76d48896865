"""The bulk action on the schedule page: assign, set a due date, comment on and remind of tasks.

The action changes every selected task or none.
"""

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
from onboarding.plans.services import actor_for
from onboarding.plans.transitions import ASSIGN, SET_DUE_DATE, Actor, Transition, why_not
from tenants.models import User

MAX_TASKS = 200


@dataclass(frozen=True)
class BulkChange:
    """The change of each selected task. An empty field changes nothing."""

    person: str = ""
    due_on: date | None = None
    comment: str = ""
    remind: bool = False

    @property
    def transitions(self) -> list[Transition]:
        """The transitions that the change makes on each task."""
        wanted = [(ASSIGN, bool(self.person)), (SET_DUE_DATE, self.due_on is not None)]
        return [transition for transition, is_wanted in wanted if is_wanted]

    @property
    def is_empty(self) -> bool:
        return not (self.person or self.due_on or self.comment.strip() or self.remind)


@dataclass(frozen=True)
class BulkResult:
    """The number of changed tasks, and the reminders to queue."""

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
    """Apply the change to every task, or to none.

    Raises OnboardingError with the reason; for a task that refuses the change, with its title.
    """
    if not public_ids:
        raise OnboardingError("Select at least one task. Nothing was changed.")
    if len(public_ids) > MAX_TASKS:
        raise OnboardingError(f"Select at most {MAX_TASKS} tasks at once. Nothing was changed.")
    if change.is_empty:
        raise OnboardingError("Choose at least one change. Nothing was changed.")
    with transaction.atomic():
        # Lock all tasks before the first activity line, in the lock order of every service.
        lock_tasks(plan.pk)
        wanted = Task.objects.filter(plan=plan, public_id__in=public_ids, is_group=False)
        tasks = list(wanted.select_related("plan__tenant").order_by("position"))
        if len(tasks) != len(set(public_ids)):
            raise OnboardingError("One of the tasks no longer exists. Nothing was changed.")
        actor = actor_for(by, plan.tenant)
        for task in tasks:
            _apply(task, change, actor, by=by, side=side)
        return BulkResult(
            len(tasks), _create_reminders(plan, tasks, change, by=by, site_url=site_url)
        )


def _create_reminders(
    plan: Plan, tasks: Sequence[Task], change: BulkChange, *, by: User, site_url: str
) -> Sequence[Reminder]:
    if not change.remind:
        return ()
    # A new assignee changes the recipient of the reminder.
    rows = Task.objects.filter(pk__in=[task.pk for task in tasks]).select_related("assignee")
    return create_reminders(plan, list(rows.order_by("position")), by=by, site_url=site_url)


def _apply(task: Task, change: BulkChange, actor: Actor, *, by: User, side: str) -> None:
    for transition in change.transitions:
        refused = why_not(task, transition, actor)
        if refused:
            raise OnboardingError(f"“{task.title}”: {refused} Nothing was changed.")
    if change.person:
        assign_task(task, change.person, by=by, actor=actor)
    if change.due_on is not None:
        set_due_date(task, change.due_on, by=by, actor=actor)
    if change.comment.strip():
        add_comment(task, NewComment(change.comment), by=by, side=side)
