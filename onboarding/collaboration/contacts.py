"""Naming who takes role: adding, changing and removing contacts, and who is still missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from onboarding.errors import ConflictingChange
from onboarding.models import Contact
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


def contacts_of(tenant: Tenant) -> QuerySet[Contact]:
    return Contact.objects.filter(tenant=tenant)


def missing_roles(contacts: Iterable[Contact]) -> list[str]:
    """The roles that nobody plays yet, in words."""
    played = {contact.role for contact in contacts}
    return [role.label for role in Contact.Role if role not in played]


_COLUMNS = ("role", "name", "email", "phone", "availability", "changed_by", "changed_at")


def save_contact(contact: Contact, *, by: User, expected_version: str = "") -> None:
    """Store a new or changed contact and say so in the activity. `expected_version` is the mark of what the
    person had before them; ConflictingChange where somebody else changed or removed that."""
    is_new = contact.pk is None
    with transaction.atomic():
        if not is_new:
            _refuse_outdated(contact, expected_version)
        contact.changed_by, contact.changed_at = by, timezone.now()
        try:
            with transaction.atomic():
                contact.save(update_fields=None if is_new else _COLUMNS)
        except IntegrityError:
            raise ConflictingChange("Somebody named this person for that role meanwhile.") from None
        _note(
            contact, ActivityName.CONTACT_ADDED if is_new else ActivityName.CONTACT_CHANGED, by=by
        )


def fingerprint(contact: Contact) -> str:
    """Tells one state of a contact from another; empty for a new one."""
    return contact.changed_at.isoformat() if contact.pk else ""


def _refuse_outdated(contact: Contact, expected_version: str) -> None:
    rows = Contact.objects.select_for_update(of=("self",)).select_related("changed_by")
    current = rows.filter(pk=contact.pk).first()
    if current is None:
        raise ConflictingChange("Somebody removed this contact meanwhile: name it anew.")
    if expected_version and fingerprint(current) != expected_version:
        reached = ", ".join(filter(None, (current.email, current.phone, current.availability)))
        raise ConflictingChange(
            f"{current.changed_by or 'Somebody'} changed this meanwhile. It says now:"
            f" {current.name}, {current.get_role_display().lower()}, {reached}. What you typed is kept"
            " here and not saved: save it again if it is to stand."
        )


def remove_contact(contact: Contact, *, by: User) -> None:
    with transaction.atomic():
        _note(contact, ActivityName.CONTACT_REMOVED, by=by)
        contact.delete()


def _note(contact: Contact, action: ActivityName, *, by: User) -> None:
    params: dict[str, Any] = {"name": contact.name, "role": contact.get_role_display()}
    write_activity(contact.tenant, action, by=by, **params)
    contact.tenant.plan.touch()
