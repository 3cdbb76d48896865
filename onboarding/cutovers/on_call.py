"""Who can be reached while a cutover's window is open, of each side."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from onboarding.errors import ConflictingChange
from onboarding.models import Contact, Cutover, OnCall, Responsibility
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


@dataclass(frozen=True)
class OnCallCandidate:
    """Somebody who may be put on call. `key` tells the two kinds of people apart."""

    key: str
    name: str
    side: str
    phone: str
    person: User | Contact


def on_call_candidates(tenant: Tenant) -> list[OnCallCandidate]:
    """Mimecast's people who steer, the client's members, and the client's contacts."""
    steering = [User.StaffRole.ADMINISTRATOR, User.StaffRole.CONSULTANT]
    members = Q(staff_role=User.StaffRole.NONE, memberships__tenant=tenant)
    people = User.objects.filter(Q(staff_role__in=steering) | members, is_active=True).distinct()
    found = [
        OnCallCandidate(f"user-{person.public_id}", person.name, _side_of(person), "", person)
        for person in people.order_by("name")
    ]
    contacts = Contact.objects.filter(tenant=tenant)
    return found + [
        OnCallCandidate(
            f"contact-{contact.public_id}",
            f"{contact.name} ({contact.get_role_display()})",
            Responsibility.CLIENT.value,
            contact.phone,
            contact,
        )
        for contact in contacts
    ]


def _side_of(person: User) -> str:
    side = Responsibility.MIMECAST if person.is_mimecast else Responsibility.CLIENT
    return side.value


def on_call_of(cutovers: Collection[Cutover], tenant: Tenant) -> QuerySet[OnCall]:
    """Those who are still of the tenant: somebody who left is reached by nobody."""
    staff = ~Q(user__staff_role=User.StaffRole.NONE)
    member = Q(user__memberships__tenant=tenant)
    there = Q(contact__isnull=False) | (Q(user__is_active=True) & (staff | member))
    found = OnCall.objects.filter(there, cutover__in=cutovers)
    return found.select_related("user", "contact").distinct()


def on_call_gaps(on_call: Sequence[OnCall]) -> list[str]:
    """A sentence for each side of which nobody is on call."""
    sides = {each.side for each in on_call}
    said = {
        Responsibility.MIMECAST.value: "Nobody of Mimecast is on call for this window.",
        Responsibility.CLIENT.value: "Nobody of the client is on call for this window.",
    }
    return [sentence for side, sentence in said.items() if side not in sides]


def add_on_call(cutover: Cutover, chosen: OnCallCandidate, phone: str, *, by: User) -> None:
    """Put somebody on call, or change the number they answer at."""
    person = chosen.person
    key = {"user": person} if isinstance(person, User) else {"contact": person}
    try:
        with transaction.atomic():
            if not Cutover.objects.select_for_update().filter(pk=cutover.pk).exists():
                raise ConflictingChange("Somebody dropped the cutover meanwhile. Nobody was named.")
            OnCall.objects.update_or_create(cutover=cutover, **key, defaults={"phone": phone})
            _log_activity(cutover, ActivityName.ON_CALL_ADDED, str(person), by=by)
    except IntegrityError as error:
        raise ConflictingChange("The cutover was changed meanwhile. Nobody was named.") from error


def remove_on_call(kept: OnCall, *, by: User) -> None:
    with transaction.atomic():
        _log_activity(kept.cutover, ActivityName.ON_CALL_REMOVED, str(kept), by=by)
        kept.delete()


def _log_activity(cutover: Cutover, action: ActivityName, name: str, *, by: User) -> None:
    write_activity(
        cutover.plan.tenant,
        action,
        by=by,
        direction=cutover.direction,
        domains=cutover.domain_summary,
        cutover_id=cutover.public_id,
        name=name,
    )
    cutover.plan.touch()
