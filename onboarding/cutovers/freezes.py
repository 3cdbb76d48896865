"""Freezes: days on which nothing may be switched, of one tenant or of everybody."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Q, QuerySet

from onboarding.models import Freeze, Plan
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


def freezes_for(tenant: Tenant) -> QuerySet[Freeze]:
    """The tenant's own, and everybody's."""
    return Freeze.objects.filter(Q(tenant=tenant) | Q(tenant__isnull=True))


def installation_freezes() -> QuerySet[Freeze]:
    return Freeze.objects.filter(tenant__isnull=True)


def add_freeze(freeze: Freeze, *, by: User) -> None:
    with transaction.atomic():
        freeze.save()
        _log_activity(freeze, ActivityName.FREEZE_ADDED, by=by)


def remove_freeze(freeze: Freeze, *, by: User) -> None:
    with transaction.atomic():
        _log_activity(freeze, ActivityName.FREEZE_REMOVED, by=by)
        freeze.delete()


def _log_activity(freeze: Freeze, action: ActivityName, *, by: User) -> None:
    write_activity(freeze.tenant, action, by=by, freeze=str(freeze))
    plans = Plan.objects.filter(tenant__closed_at__isnull=True)
    if freeze.tenant_id is not None:
        plans = plans.filter(tenant=freeze.tenant_id)
    # In one order: whoever touches several plans waits in no circle.
    for pk in plans.order_by("pk").values_list("pk", flat=True):
        Plan.objects.filter(pk=pk).update(revision=F("revision") + 1)
