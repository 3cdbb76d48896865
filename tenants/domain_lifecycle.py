"""Adds, removes and restores the domains and hosts of a tenant."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from tenants.models import Domain, Host, User

Subject = TypeVar("Subject", Domain, Host)

# The fields that people can change in a profile. The profile form, its service and restoring use
# them.
PROFILE_FIELDS: dict[type[Domain | Host], tuple[str, ...]] = {
    Domain: (
        "role",
        "ownership_token",
        "ownership_label",
        "dkim_selectors",
        "original_mx_ttl_seconds",
    ),
    Host: ("recipient",),
}
# A restored host needs a new consent, and a proposal from before the removal is void.
_DECISION_FIELDS: dict[type[Domain | Host], tuple[str, ...]] = {
    Domain: ("proposals",),
    Host: (
        *("consented_at", "consented_by", "proposed_at", "proposed_by"),
        *("confirmed_at", "confirmed_by", "rejection_reason"),
    ),
}
IDENTITY_FIELDS: dict[type[Domain | Host], tuple[str, ...]] = {
    Domain: ("name",),
    Host: ("purpose", "name", "port"),
}


def entered_fields(model: type[Domain | Host]) -> tuple[str, ...]:
    """The fields of a row of the profile form: those that identify it, then the others."""
    return IDENTITY_FIELDS[model] + PROFILE_FIELDS[model]


def add_or_restore(row: Subject) -> Subject:
    """Save a new row, or restore the removed row with the same identity and its history.

    A restored row gets the newly entered values. Returns the stored row.
    """
    model = type(row)
    same = {name: getattr(row, name) for name in IDENTITY_FIELDS[model]}
    removed = model.all_objects.filter(tenant=row.tenant, removed_at__isnull=False)
    before = removed.filter(**same).first()
    if before is None:
        row.save()
        return row
    _restore(before, row)
    return before


def _restore(before: Domain | Host, entered: Domain | Host) -> None:
    names = PROFILE_FIELDS[type(before)] + _DECISION_FIELDS[type(before)]
    for name in names:
        setattr(before, name, getattr(entered, name))
    before.removed_at, before.removed_by = None, None
    before.save(update_fields=[*names, "removed_at", "removed_by"])


def mark_removed(row: Domain | Host, *, at: datetime, by: User) -> None:
    """Mark a row as removed. It remains stored, because observations refer to it."""
    row.removed_at, row.removed_by = at, by
    row.save(update_fields=["removed_at", "removed_by"])
