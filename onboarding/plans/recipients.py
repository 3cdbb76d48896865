"""The people of each side of a tenant: the recipients of reminders and notifications.

These functions alone decide who is informed of an event that concerns a side.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from onboarding.models import Responsibility, Task
from tenants.models import Membership, Tenant, User
from tenants.permissions import Permission, Role, may, role_in

_ABLE = (Membership.Role.OWNER, Membership.Role.MEMBER)


def side_of(user: User, tenant: Tenant) -> str:
    """The side that a user acts for in the tenant: mimecast, client, or empty for a reader."""
    return side_of_role(role_in(user, tenant), is_closed=tenant.is_closed)


def side_of_role(role: Role | None, *, is_closed: bool = False) -> str:
    """The side that a role acts for: mimecast, client, or empty for a reader."""
    if role is None or not may(role, Permission.CONFIRM, is_closed=is_closed):
        return ""
    return Responsibility.MIMECAST if role.is_staff else Responsibility.CLIENT


def everyone_in(tenant: Tenant) -> list[User]:
    """The consultant, and the client's owners and members: they learn of lost proofs and drift."""
    members = Membership.objects.filter(tenant=tenant, role__in=_ABLE).values("user")
    is_notified = Q(pk__in=members) | Q(pk=tenant.consultant_id)
    return list(User.objects.filter(is_notified, is_active=True).order_by("pk"))


@dataclass(frozen=True)
class ReminderRecipients:
    """The people of each side who can act in a tenant."""

    tenant: Tenant
    mimecast: tuple[User, ...]
    client: tuple[User, ...]

    @classmethod
    def of(cls, tenant: Tenant) -> ReminderRecipients:
        able = Membership.objects.filter(tenant=tenant, role__in=_ABLE, user__is_active=True)
        consultant = tenant.consultant
        leads = consultant is not None and side_of(consultant, tenant) == Responsibility.MIMECAST
        return cls(
            tenant=tenant,
            mimecast=(consultant,) if consultant is not None and leads else (),
            client=tuple(row.user for row in able.select_related("user").order_by("user__name")),
        )

    def recipients_for(self, task: Task) -> list[User]:
        """The people that the task waits for: only the assignee if they are on that side."""
        return self.of_side(task.waiting_on, task.assignee)

    def of_side(self, asked: str, assignee: User | None = None) -> list[User]:
        """The people of a side who can act: only the assignee if they are on that side."""
        if assignee is not None and asked:
            side = self._side_of(assignee)
            if side and asked in (side, Responsibility.BOTH):
                return [assignee]
        sides = {
            Responsibility.MIMECAST.value: self.mimecast,
            Responsibility.CLIENT.value: self.client,
            Responsibility.BOTH.value: (*self.mimecast, *self.client),
        }
        return list(sides.get(asked, ()))

    def _side_of(self, person: User) -> str:
        """The side of a person; empty for a person who has left or may only read."""
        if person.is_mimecast:
            return side_of(person, self.tenant)
        return Responsibility.CLIENT.value if person in self.client else ""
