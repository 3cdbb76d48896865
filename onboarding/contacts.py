"""Naming who takes part: adding, changing and removing contacts, and who is still missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from onboarding.errors import MovedMeanwhile
from onboarding.models import Contact
from tenants.models import Tenant, User
from tenants.services import write_activity

# The step of the onboarding review in which everyone involved is identified.
TASK_KEY = "initial-conversation"


def contacts_of(tenant: Tenant) -> QuerySet[Contact]:
    return Contact.objects.filter(tenant=tenant)


def missing_parts(contacts: Iterable[Contact]) -> list[str]:
    """The parts that nobody plays yet, in words."""
    played = {contact.part for contact in contacts}
    return [part.label for part in Contact.Part if part not in played]


_COLUMNS = ("part", "name", "email", "phone", "remark", "changed_by", "changed_at")


def keep_contact(contact: Contact, *, by: User, seen: str = "") -> None:
    """Store a new or changed contact and say so in the activity. `seen` is the mark of what the
    person had before them; MovedMeanwhile where somebody else changed or removed that."""
    is_new = contact.pk is None
    with transaction.atomic():
        if not is_new:
            _refuse_older(contact, seen)
        contact.changed_by, contact.changed_at = by, timezone.now()
        try:
            with transaction.atomic():
                contact.save(update_fields=None if is_new else _COLUMNS)
        except IntegrityError:
            raise MovedMeanwhile("Somebody named this person for that part meanwhile.") from None
        _note(contact, "contact-named" if is_new else "contact-changed", by=by)


def mark_of(contact: Contact) -> str:
    """Tells one state of a contact from another; empty for a new one."""
    return contact.changed_at.isoformat() if contact.pk else ""


def _refuse_older(contact: Contact, seen: str) -> None:
    rows = Contact.objects.select_for_update(of=("self",)).select_related("changed_by")
    there = rows.filter(pk=contact.pk).first()
    if there is None:
        raise MovedMeanwhile("Somebody removed this contact meanwhile: name it anew.")
    if seen and mark_of(there) != seen:
        reached = ", ".join(filter(None, (there.email, there.phone, there.remark)))
        raise MovedMeanwhile(
            f"{there.changed_by or 'Somebody'} changed this meanwhile. It says now:"
            f" {there.name}, {there.get_part_display().lower()}, {reached}. What you typed is kept"
            " here and not saved: save it again if it is to stand."
        )


def remove_contact(contact: Contact, *, by: User) -> None:
    with transaction.atomic():
        _note(contact, "contact-removed", by=by)
        contact.delete()


def _note(contact: Contact, act: str, *, by: User) -> None:
    told: dict[str, Any] = {"name": contact.name, "part": contact.get_part_display()}
    write_activity(contact.tenant, act, by=by, **told)
    contact.tenant.plan.touch()
