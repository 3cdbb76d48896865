"""One act over many steps: who does them, when they are due, a comment on each, a reminder to
whoever is waited for. All or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction

from onboarding.errors import OnboardingError
from onboarding.models import Plan, Reminder, Task
from onboarding.plans.assigning import assign_task
from onboarding.plans.dates import set_due
from onboarding.plans.holding import hold_plan
from onboarding.plans.reminding import remind
from onboarding.talk import Words, add_comment
from tenants.models import User

MOST = 200


@dataclass(frozen=True)
class Wish:
    """What to do with each of the steps; what is empty stays as it is."""

    person: str = ""
    due_on: date | None = None
    comment: str = ""
    remind: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.person or self.due_on or self.comment.strip() or self.remind)


@dataclass(frozen=True)
class Done:
    """To how many steps it was done, and the mails to queue."""

    steps: int
    reminders: Sequence[Reminder] = ()


def apply_to(
    plan: Plan, public_ids: Sequence[str], wish: Wish, *, by: User, side: str, site: str = ""
) -> Done:
    """Do it to each step. OnboardingError says why nothing was done."""
    if not public_ids:
        raise OnboardingError("Choose one step at least. Nothing was changed.")
    if len(public_ids) > MOST:
        raise OnboardingError(f"Choose at most {MOST} steps at once. Nothing was changed.")
    if wish.is_empty:
        raise OnboardingError("Choose what to do with the steps. Nothing was changed.")
    with transaction.atomic():
        # All of them before the first line of the activity, as every act holds them.
        hold_plan(plan.pk)
        wanted = Task.objects.filter(plan=plan, public_id__in=public_ids, is_group=False)
        tasks = list(wanted.select_related("plan__tenant").order_by("position"))
        if len(tasks) != len(set(public_ids)):
            raise OnboardingError("One of the steps is no longer there. Nothing was changed.")
        for task in tasks:
            _apply(task, wish, by=by, side=side)
        return Done(len(tasks), _remind(plan, tasks, wish, by=by, site=site))


def _remind(
    plan: Plan, tasks: Sequence[Task], wish: Wish, *, by: User, site: str
) -> Sequence[Reminder]:
    if not wish.remind:
        return ()
    # Giving it to somebody may have moved whom to remind.
    rows = Task.objects.filter(pk__in=[task.pk for task in tasks]).select_related("assignee")
    return remind(plan, list(rows.order_by("position")), by=by, site=site)


def _apply(task: Task, wish: Wish, *, by: User, side: str) -> None:
    if wish.person:
        assign_task(task, wish.person, by=by)
    if wish.due_on is not None:
        set_due(task, wish.due_on, by=by)
    if wish.comment.strip():
        add_comment(task, Words(wish.comment), by=by, side=side)
