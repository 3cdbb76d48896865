"""Contacts of an implementation: add, change and remove them, and find missing roles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from onboarding.errors import ConflictingChange
from onboarding.models import Contact
from onboarding.plans.confirmation_facts import reopen_without_facts
from onboarding.plans.queries import lock_tasks
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


def contacts_of(tenant: Tenant) -> QuerySet[Contact]:
    return Contact.objects.filter(tenant=tenant)


def missing_roles(contacts: Iterable[Contact]) -> list[str]:
    """The labels of the roles without a contact."""
    played = {contact.role for contact in contacts}
    return [role.label for role in Contact.Role if role not in played]


_COLUMNS = ("role", "name", "email", "phone", "availability", "changed_by", "changed_at")


def save_contact(contact: Contact, *, by: User, expected_version: str = "") -> None:
    """Store and log a new or changed contact.

    `expected_version` is the fingerprint that the page showed. Raises ConflictingChange if another
    person changed or removed the contact since.
    """
    is_new = contact.pk is None
    with transaction.atomic():
        if not is_new:
            lock_tasks(contact.tenant.plan.pk)
            _refuse_outdated(contact, expected_version)
        contact.changed_by, contact.changed_at = by, database_time.now()
        try:
            with transaction.atomic():
                contact.save(update_fields=None if is_new else _COLUMNS)
        except IntegrityError:
            raise ConflictingChange(
                "Another person added this contact with that role in the meantime."
            ) from None
        if not is_new:
            # The former role may have no contact now.
            reopen_without_facts(contact.tenant.plan)
        _log(contact, ActivityName.CONTACT_ADDED if is_new else ActivityName.CONTACT_CHANGED, by=by)


def fingerprint(contact: Contact) -> str:
    """Identifies the stored values of a contact. Empty for a new one."""
    return contact.changed_at.isoformat() if contact.pk else ""


def _refuse_outdated(contact: Contact, expected_version: str) -> None:
    rows = Contact.objects.select_for_update(of=("self",), no_key=True).select_related("changed_by")
    current = rows.filter(pk=contact.pk).first()
    if current is None:
        raise ConflictingChange(
            "Another person removed this contact in the meantime. Add it again."
        )
    if expected_version and fingerprint(current) != expected_version:
        reached = ", ".join(filter(None, (current.email, current.phone, current.availability)))
        raise ConflictingChange(
            f"{current.changed_by or 'Another person'} changed this contact in the meantime to:"
            f" {current.name}, {current.get_role_display().lower()}, {reached}."
            " Your values are below, but not saved. Save again to replace the current ones."
        )


def remove_contact(contact: Contact, *, by: User) -> None:
    """Remove the contact. Confirmed tasks that require it open again."""
    with transaction.atomic():
        # First: the chain of the activity log is the last lock but one.
        lock_tasks(contact.tenant.plan.pk)
        Contact.objects.filter(pk=contact.pk).delete()
        reopen_without_facts(contact.tenant.plan)
        _log(contact, ActivityName.CONTACT_REMOVED, by=by)


def _log(contact: Contact, action: ActivityName, *, by: User) -> None:
    params: dict[str, Any] = {"name": contact.name, "role": contact.get_role_display()}
    write_activity(contact.tenant, action, by=by, **params)
    contact.tenant.plan.touch()
