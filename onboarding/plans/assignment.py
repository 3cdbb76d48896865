"""Who does a task: one person of either side."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Task
from tenants.activity_names import ActivityName
from tenants.models import Membership, Tenant, User
from tenants.services import write_activity


def assignable(tenant: Tenant, by: User) -> list[User]:
    """Staff give a task to anybody who takes part; clients to people of their own side."""
    people = mentionable_people(tenant)
    if by.is_mimecast and by not in people:
        people.append(by)
    mine = people if by.is_mimecast else [person for person in people if not person.is_mimecast]
    return sorted(mine, key=lambda person: person.name)


def assign_task(task: Task, public_id: str, *, by: User, seen: str | None = None) -> None:
    """Give the task to the person with this id; an empty id takes it from whoever had it. `seen` is
    the id of whom the task was given to when the person looked."""
    if task.is_group:
        raise OnboardingError("This is a group: assign the tasks below it.")
    if public_id == _id_of(task.assignee):
        return
    chosen = None
    if public_id:
        people = assignable(task.plan.tenant, by)
        chosen = next((person for person in people if person.public_id == public_id), None)
        if chosen is None:
            raise OnboardingError("Choose one of the people listed. Nothing was changed.")
    with transaction.atomic():
        held = Task.objects.select_for_update(of=("self",)).select_related("assignee")
        now = held.get(pk=task.pk).assignee
        if seen is not None and seen != _id_of(now):
            whose = f"It was given to {now} meanwhile" if now else "It was taken back meanwhile"
            raise ConflictingChange(f"{whose}. Nothing was changed.")
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
    """Who can be mentioned: the client's people and those of Mimecast who take part."""
    staff = User.objects.filter(is_active=True).exclude(staff_role=User.StaffRole.NONE)
    if staff_only:
        return list(staff)
    members = Membership.objects.filter(tenant=tenant, user__is_active=True).values("user")
    lead = Q(pk=tenant.consultant_id, is_active=True) & ~Q(staff_role=User.StaffRole.NONE)
    return list(User.objects.filter(Q(pk__in=members) | lead))
