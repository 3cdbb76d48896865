"""From when a tenant is watched, and how its watch stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from checks.engine.outcomes import Kind
from checks.queries import checks_of
from onboarding.cutovers.windows import span_of
from onboarding.models import Cutover, Drift, Task, Watch
from onboarding.watch.drift_rules import region_values_of
from tenants.models import Tenant, User
from tenants.services import write_activity

GO_LIVE = "mx-record-cutover"


@dataclass(frozen=True)
class WatchStanding:
    """How a tenant's watch stands. `since` is None before go-live; `is_resting`: nothing is looked
    at any more, because the tenant was closed without its case being completed."""

    since: datetime | None = None
    because: str = ""
    is_resting: bool = False
    open: int = 0
    muted: int = 0

    @property
    def is_as_proven(self) -> bool:
        return self.since is not None and not self.is_resting and not self.open


def standing_of(tenant: Tenant) -> WatchStanding:
    watch = Watch.objects.filter(tenant=tenant).first()
    if watch is None:
        return WatchStanding()
    now = timezone.now()
    open_now = list(Drift.objects.filter(tenant=tenant, closed_at=None))
    return WatchStanding(
        since=watch.since,
        because=watch.get_because_display(),
        is_resting=not tenant.is_looked_at,
        open=len(open_now),
        muted=sum(drift.is_muted(now) for drift in open_now),
    )


def begin_at_go_live(tenant: Tenant, *, now: datetime) -> Watch | None:
    """Watch the tenant from when its inbound cutover was proven; None while it is not.

    The window has to be over: until then the switch may be taken back, and that is no drift.
    """
    task = Task.objects.filter(
        plan__tenant=tenant, key=GO_LIVE, applies=True, proven_at__isnull=False
    ).first()
    if task is None or _is_in_window(tenant, now):
        return None
    seen = checks_of(tenant).filter(kind=Kind.MX, yes_at__isnull=False)
    moments = list(seen.values_list("yes_at", flat=True))
    since = max((at for at in moments if at is not None), default=task.proven_at)
    assert since is not None
    return _begin(tenant, since, Watch.Because.CUTOVER)


def begin_at_closing(tenant: Tenant, *, now: datetime, by: User) -> Watch:
    """From the closing at the latest, also where no check ever saw the cutover."""
    return _begin(tenant, now, Watch.Because.CLOSED, by=by)


def _begin(
    tenant: Tenant, since: datetime, because: Watch.Because, *, by: User | None = None
) -> Watch:
    with transaction.atomic():
        watch, is_new = Watch.objects.get_or_create(
            tenant=tenant,
            defaults={
                "since": since,
                "because": because,
                "region_values": region_values_of(tenant.region_values),
            },
        )
        if is_new:
            write_activity(tenant, "watch-begun", by=by, because=because)
            tenant.plan.touch()
    return watch


def _is_in_window(tenant: Tenant, now: datetime) -> bool:
    planned = Cutover.objects.filter(
        plan__tenant=tenant, direction=Cutover.Direction.INBOUND, planned_at__lte=now
    )
    return any(span_of(cutover)[1] > now for cutover in planned)
