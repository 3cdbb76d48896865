"""The end of an implementation: what is still open, and both sides' sign-off in words."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from onboarding.errors import OnboardingError
from onboarding.models import Plan, Task, TaskState
from onboarding.talk import Words, add_comment
from onboarding.task_acts import confirm_task
from tenants.models import User

# The article's last item. Everything that applies comes before it.
CLOSURE = "case-closure"


def still_open(plan: Plan) -> list[Task]:
    """The steps that keep the implementation from closing: neither done, declined nor accepted.

    What is optional and was never begun keeps nothing open.
    """
    tasks = Task.objects.filter(plan=plan, applies=True, is_group=False).exclude(key=CLOSURE)
    return [
        task
        for task in tasks.select_related("phase")
        if task.counts_as_open and not (task.is_optional and task.state == TaskState.TODO)
    ]


def refuse_early(left: Sequence[Task]) -> None:
    if left:
        named = ", ".join(f"“{task.title}”" for task in left[:3])
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        raise OnboardingError(
            f"Still open: {named}{more}. Each step is to be done, declined or accepted first."
        )


def sign_off(task: Task, *, by: User, side: str, words: str) -> None:
    """One side closes the case in words, which stay with the step. Nothing may be open any more."""
    if task.key != CLOSURE:
        raise OnboardingError("Only the last step of the plan is signed off.")
    if not words.strip():
        raise OnboardingError("Say in your own words that the implementation is complete.")
    refuse_early(still_open(task.plan))
    with transaction.atomic():
        confirm_task(task, by=by, side=side)
        add_comment(task, Words(words), by=by, side=side)
