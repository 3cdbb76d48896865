"""Freezes: days without changes, of one tenant or of all tenants; and the holidays of Mimecast."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Q, QuerySet

from onboarding.models import Freeze, Holiday, Plan
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


def freezes_for(tenant: Tenant) -> QuerySet[Freeze]:
    """The freezes of the tenant and of the installation."""
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
    # The log of a tenant is locked before its plan, and that of the installation after all plans.
    if freeze.tenant is None:
        _touch_plans(None)
    write_activity(freeze.tenant, action, by=by, freeze=str(freeze))
    if freeze.tenant is not None:
        _touch_plans(freeze.tenant_id)


def _touch_plans(tenant_id: int | None) -> None:
    """Update the open pages of the tenant, or of all open tenants."""
    plans = Plan.objects.filter(tenant__closed_at__isnull=True)
    if tenant_id is not None:
        plans = plans.filter(tenant=tenant_id)
    # In one order: two transactions that lock several plans must not deadlock.
    for pk in plans.order_by("pk").values_list("pk", flat=True):
        Plan.objects.filter(pk=pk).update(revision=F("revision") + 1)


def mimecast_holidays() -> QuerySet[Holiday]:
    """The days on which Mimecast does not work, for all tenants."""
    return Holiday.objects.filter(tenant__isnull=True)


def add_mimecast_holiday(holiday: Holiday, *, by: User) -> None:
    with transaction.atomic():
        holiday.save()
        _touch_plans(None)
        write_activity(None, ActivityName.HOLIDAY_ADDED, by=by, holiday=str(holiday))


def remove_mimecast_holiday(holiday: Holiday, *, by: User) -> None:
    with transaction.atomic():
        name = str(holiday)
        holiday.delete()
        _touch_plans(None)
        write_activity(None, ActivityName.HOLIDAY_REMOVED, by=by, holiday=name)
