"""Who does a task: one person of either side."""

from __future__ import annotations

from django.db import transaction

from onboarding.errors import OnboardingError
from onboarding.models import Task
from onboarding.talk import people_of
from tenants.models import Tenant, User
from tenants.services import write_activity


def assignable(tenant: Tenant, by: User) -> list[User]:
    """Staff give a task to anybody who takes part; clients to people of their own side."""
    people = people_of(tenant)
    if by.is_mimecast and by not in people:
        people.append(by)
    mine = people if by.is_mimecast else [person for person in people if not person.is_mimecast]
    return sorted(mine, key=lambda person: person.name)


def assign_task(task: Task, public_id: str, *, by: User) -> None:
    """Give the task to the person with this id; an empty id takes it from whoever had it."""
    if task.is_group:
        raise OnboardingError("This is a group: assign the tasks below it.")
    chosen = None
    if public_id:
        people = assignable(task.plan.tenant, by)
        chosen = next((person for person in people if person.public_id == public_id), None)
        if chosen is None:
            raise OnboardingError("Choose one of the people listed. Nothing was changed.")
    if task.assignee_id == (chosen.pk if chosen else None):
        return
    with transaction.atomic():
        Task.objects.filter(pk=task.pk).update(assignee=chosen)
        write_activity(
            task.plan.tenant,
            "task-assigned",
            by=by,
            task=task.title,
            task_id=task.public_id,
            person_name=chosen.name if chosen else "",
        )
        task.plan.touch()
