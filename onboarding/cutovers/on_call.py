"""The people of each side who are on call in a cutover's window."""

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
    """A person who can be put on call. The prefix of `key` distinguishes users and contacts."""

    key: str
    name: str
    side: str
    phone: str
    person: User | Contact


def on_call_candidates(tenant: Tenant) -> list[OnCallCandidate]:
    """Mimecast's consultants and administrators, the client's members, and its contacts."""
    staff = [User.StaffRole.ADMINISTRATOR, User.StaffRole.CONSULTANT]
    members = Q(staff_role=User.StaffRole.NONE, memberships__tenant=tenant)
    people = User.objects.filter(Q(staff_role__in=staff) | members, is_active=True).distinct()
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
    """The people on call who still belong to the tenant, as staff, member or contact."""
    staff = ~Q(user__staff_role=User.StaffRole.NONE)
    member = Q(user__memberships__tenant=tenant)
    belongs = Q(contact__isnull=False) | (Q(user__is_active=True) & (staff | member))
    rows = OnCall.objects.filter(belongs, cutover__in=cutovers)
    return rows.select_related("user", "contact").distinct()


def on_call_gaps(on_call: Sequence[OnCall]) -> list[str]:
    """One sentence for each side without a person on call."""
    sides = {each.side for each in on_call}
    sentences = {
        Responsibility.MIMECAST.value: "Mimecast has no person on call for this window.",
        Responsibility.CLIENT.value: "The client has no person on call for this window.",
    }
    return [sentence for side, sentence in sentences.items() if side not in sides]


def add_on_call(cutover: Cutover, chosen: OnCallCandidate, phone: str, *, by: User) -> OnCall:
    """Put a person on call, or change the person's phone number.

    Raises ConflictingChange if the cutover was cancelled or changed.
    """
    person = chosen.person
    key = {"user": person} if isinstance(person, User) else {"contact": person}
    try:
        with transaction.atomic():
            if not Cutover.objects.select_for_update(no_key=True).filter(pk=cutover.pk).exists():
                raise ConflictingChange("The cutover has been cancelled. Nothing was changed.")
            made, _ = OnCall.objects.update_or_create(
                cutover=cutover, **key, defaults={"phone": phone}
            )
            _log_activity(cutover, ActivityName.ON_CALL_ADDED, str(person), by=by)
            return made
    except IntegrityError as error:
        raise ConflictingChange("The cutover has changed. Nothing was changed.") from error


def remove_on_call(on_call: OnCall, *, by: User) -> None:
    with transaction.atomic():
        name = str(on_call)
        # First: the chain of the activity log is the last lock but one.
        on_call.delete()
        _log_activity(on_call.cutover, ActivityName.ON_CALL_REMOVED, name, by=by)


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
