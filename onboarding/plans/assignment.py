"""The assignee of a task: one person of either side."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Task
from onboarding.plans.queries import lock_tasks
from onboarding.plans.services import actor_for, require_permitted
from onboarding.plans.transitions import ASSIGN, Actor
from tenants.activity_names import ActivityName
from tenants.models import Membership, Tenant, User
from tenants.services import write_activity


def assignable(tenant: Tenant, by: User) -> list[User]:
    """The people that a user may assign: staff choose from both sides, clients from their own."""
    people = mentionable_people(tenant)
    if by.is_mimecast and by not in people:
        people.append(by)
    mine = people if by.is_mimecast else [person for person in people if not person.is_mimecast]
    return sorted(mine, key=lambda person: person.name)


def assign_task(
    task: Task,
    public_id: str,
    *,
    by: User,
    expected: str | None = None,
    actor: Actor | None = None,
) -> None:
    """Assign the task to the user with this id; an empty id removes the assignee.

    `expected` is the id of the assignee on the user's page; None skips that comparison. `actor`
    avoids one query for each task when the caller knows it. Raises NotPermitted or OnboardingError
    for a refusal, and ConflictingChange if another user changed the assignee.
    """
    require_permitted(task, ASSIGN, actor or actor_for(by, task.plan.tenant))
    if public_id == _id_of(task.assignee):
        return
    chosen = None
    if public_id:
        people = assignable(task.plan.tenant, by)
        chosen = next((person for person in people if person.public_id == public_id), None)
        if chosen is None:
            raise OnboardingError("Choose one of the people listed. Nothing was changed.")
    with transaction.atomic():
        lock_tasks(task.plan_id)
        current = Task.objects.select_related("assignee").get(pk=task.pk).assignee
        if expected is not None and expected != _id_of(current):
            change = f"assigned this task to {current}" if current else "removed the assignee"
            raise ConflictingChange(f"Another user {change}. Nothing was changed.")
        Task.objects.filter(pk=task.pk).update(assignee=chosen)
        write_activity(
            task.plan.tenant,
            ActivityName.TASK_ASSIGNED,
            by=by,
            task=task.title,
            task_id=task.public_id,
            person_name=chosen.name if chosen else "",
        )
        task.plan.touch()


def _id_of(person: User | None) -> str:
    return person.public_id if person is not None else ""


def mentionable_people(tenant: Tenant, *, staff_only: bool = False) -> list[User]:
    """The client's people, and the staff members and consultant of the tenant.

    `staff_only` returns all active staff instead, for internal notes.
    """
    staff = User.objects.filter(is_active=True).exclude(staff_role=User.StaffRole.NONE)
    if staff_only:
        return list(staff)
    members = Membership.objects.filter(tenant=tenant, user__is_active=True).values("user")
    lead = Q(pk=tenant.consultant_id, is_active=True) & ~Q(staff_role=User.StaffRole.NONE)
    return list(User.objects.filter(Q(pk__in=members) | lead))
