"""The start of a tenant's monitoring, and its status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from checks.engine.outcomes import CheckKind
from checks.queries import checks_of
from onboarding.models import Cutover, Monitoring, Task, TaskRole
from onboarding.monitoring.drift_rules import region_values_of
from onboarding.plans.planned_cutovers import window_bounds
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


@dataclass(frozen=True)
class MonitoringStatus:
    """The status of a tenant's monitoring.

    `started_at` is None before go-live. `is_stopped`: no check runs any more, because the tenant
    was closed before its implementation was complete.
    """

    started_at: datetime | None = None
    reason: str = ""
    is_stopped: bool = False


def monitoring_status(tenant: Tenant) -> MonitoringStatus:
    monitoring = Monitoring.objects.filter(tenant=tenant).first()
    if monitoring is None:
        return MonitoringStatus()
    return MonitoringStatus(
        started_at=monitoring.started_at,
        reason=monitoring.get_reason_display(),
        is_stopped=not tenant.is_checked,
    )


def start_at_go_live(tenant: Tenant, *, now: datetime) -> Monitoring | None:
    """Start the monitoring when the inbound cutover is verified; None before.

    The window must be over, because a rollback in the window is no drift.
    """
    task = Task.objects.filter(
        plan__tenant=tenant, role=TaskRole.SWITCHES_INBOUND, applies=True, verified_at__isnull=False
    ).first()
    if task is None or _is_in_window(tenant, now):
        return None
    verified = checks_of(tenant).filter(kind=CheckKind.MX, first_verified_at__isnull=False)
    times = list(verified.values_list("first_verified_at", flat=True))
    started_at = max((at for at in times if at is not None), default=task.verified_at)
    assert started_at is not None
    return _start(tenant, started_at, Monitoring.Reason.CUTOVER)


def start_at_closing(tenant: Tenant, *, now: datetime, by: User) -> Monitoring:
    """Start the monitoring at the closing, also if no check ever verified the cutover."""
    return _start(tenant, now, Monitoring.Reason.CLOSED, by=by)


def _start(
    tenant: Tenant, started_at: datetime, reason: Monitoring.Reason, *, by: User | None = None
) -> Monitoring:
    with transaction.atomic():
        monitoring, is_new = Monitoring.objects.get_or_create(
            tenant=tenant,
            defaults={
                "started_at": started_at,
                "reason": reason,
                "region_values": region_values_of(tenant.region_values),
            },
        )
        if is_new:
            write_activity(tenant, ActivityName.MONITORING_STARTED, by=by, reason=reason)
            tenant.plan.touch()
    return monitoring


def _is_in_window(tenant: Tenant, now: datetime) -> bool:
    planned = Cutover.objects.filter(
        plan__tenant=tenant, direction=Cutover.Direction.INBOUND, planned_at__lte=now
    )
    return any(window_bounds(cutover)[1] > now for cutover in planned)
