"""Naming who takes part: adding, changing and removing contacts, and who is still missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

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


def keep_contact(contact: Contact, *, by: User) -> None:
    """Store a new or changed contact and say so in the activity."""
    is_new = contact.pk is None
    contact.changed_by, contact.changed_at = by, timezone.now()
    with transaction.atomic():
        contact.save()
        _note(contact, "contact-named" if is_new else "contact-changed", by=by)


def remove_contact(contact: Contact, *, by: User) -> None:
    with transaction.atomic():
        _note(contact, "contact-removed", by=by)
        contact.delete()


def _note(contact: Contact, act: str, *, by: User) -> None:
    told: dict[str, Any] = {"name": contact.name, "part": contact.get_part_display()}
    write_activity(contact.tenant, act, by=by, **told)
    contact.tenant.plan.touch()
