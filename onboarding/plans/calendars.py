"""The working time and the holidays of a tenant. Each change computes the due dates again."""

from __future__ import annotations

from django.db import transaction

from onboarding.models import Holiday, WorkingTime
from onboarding.plans import dates
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


def working_time_of(tenant: Tenant) -> WorkingTime:
    """The working time of a tenant; an unsaved default without a row."""
    return WorkingTime.objects.filter(tenant=tenant).first() or WorkingTime(tenant=tenant)


def save_working_time(working_time: WorkingTime, *, by: User) -> None:
    tenant = working_time.tenant
    with transaction.atomic():
        working_time.save()
        dates.update_due_dates(tenant.plan)
        write_activity(tenant, ActivityName.WORKING_TIME_CHANGED, by=by)
        tenant.plan.touch()


def add_holiday(tenant: Tenant, holiday: Holiday, *, by: User) -> None:
    with transaction.atomic():
        holiday.save()
        _record_change(tenant, holiday, ActivityName.HOLIDAY_ADDED, by=by)


def remove_holiday(tenant: Tenant, holiday: Holiday, *, by: User) -> None:
    with transaction.atomic():
        holiday.delete()
        _record_change(tenant, holiday, ActivityName.HOLIDAY_REMOVED, by=by)


def _record_change(tenant: Tenant, holiday: Holiday, action: ActivityName, *, by: User) -> None:
    dates.update_due_dates(tenant.plan)
    write_activity(tenant, action, by=by, holiday=str(holiday))
    tenant.plan.touch()
