"""Open and close drifts when checks settle, and store people's reactions to them.

Locks: the check's row, then the drift's, then the activity chain, then the plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.queries import checks_of
from onboarding.cutovers.windows import KINDS_OF_DIRECTION, MAX_WINDOW_MINUTES
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, CutoverSnapshot, DomainProgress, Drift, Monitoring
from onboarding.models.monitoring import DRIFT_OF_CHECK
from onboarding.monitoring.baseline import start_at_go_live
from onboarding.monitoring.drift_rules import (
    DriftContext,
    DriftState,
    can_drift,
    changed_fields,
    evaluate_drift,
    region_values_of,
)
from onboarding.plans.planned_cutovers import window_bounds, window_bounds_from
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User, WebhookEvent
from tenants.region_values import LABELS
from tenants.services import write_activity
from tenants.webhooks.events import add_event

_NEEDS_MX_CHECK = {CheckKind.MX_TTL, CheckKind.MTA_STS}
MAX_REASON_LENGTH = 500
# The time after a window in which the beat updates the drifts. Reconciliation covers the rest.
FOLLOWED_FOR = timedelta(minutes=15)


def update_for_checks(
    tenant: Tenant, checks: Iterable[Check], *, now: datetime | None = None
) -> None:
    """Open or close the drifts of these checks of a monitored tenant. Safe to repeat.

    The first verified MX check may start the monitoring.
    """
    monitored = [check for check in checks if check.kind in DRIFT_OF_CHECK]
    if not monitored or not tenant.is_checked:
        return
    now = now or database_time.now()
    monitoring = Monitoring.objects.filter(tenant=tenant).first()
    if monitoring is None and any(check.kind == CheckKind.MX for check in monitored):
        monitoring = start_at_go_live(tenant, now=now)
    if monitoring is not None:
        ids = {check.pk for check in monitored}
        for check_id in sorted(ids | _dependent_on(monitored)):
            _update_drift(check_id, monitoring, tenant, now=now)


def _dependent_on(checks: Iterable[Check]) -> set[int]:
    """The checks whose drift depends on one of these MX checks."""
    domains = [check.domain_id for check in checks if check.kind == CheckKind.MX]
    if not domains:
        return set()
    related = Check.objects.filter(domain__in=domains, kind__in=_NEEDS_MX_CHECK, is_active=True)
    return set(related.values_list("pk", flat=True))


def tenants_after_window(*, now: datetime) -> list[int]:
    """The tenants with a cutover window that ended within the last FOLLOWED_FOR.

    The end of a window may start the monitoring and open drifts, while no answer changes.
    """
    longest = timedelta(minutes=MAX_WINDOW_MINUTES) + FOLLOWED_FOR
    started = Cutover.objects.filter(planned_at__lte=now, planned_at__gt=now - longest)
    ended = [
        cutover.plan.tenant_id
        for cutover in started.select_related("plan")
        if now - FOLLOWED_FOR <= window_bounds(cutover)[1] <= now
    ]
    return sorted(set(ended))


def update_for_tenant(tenant: Tenant, *, now: datetime | None = None) -> None:
    """Update the drifts of all checks and of the region's values. Safe to repeat."""
    now = now or database_time.now()
    monitoring = Monitoring.objects.filter(tenant=tenant).first() or start_at_go_live(
        tenant, now=now
    )
    if monitoring is None or not tenant.is_checked:
        return
    drifted = set(
        Drift.objects.filter(tenant=tenant, closed_at=None).values_list("check_asked", flat=True)
    )
    for check in checks_of(tenant).filter(kind__in=DRIFT_OF_CHECK):
        # Most checks match, and need neither a lock nor further queries.
        if check.pk in drifted or can_drift(check):
            _update_drift(check.pk, monitoring, tenant, now=now)
    update_region_drift(monitoring, tenant, now=now)
    _close_unmonitored(tenant, now=now)


def _update_drift(check_id: int, monitoring: Monitoring, tenant: Tenant, *, now: datetime) -> None:
    with transaction.atomic():
        # Lock and read the row again: a run recorded in between decides.
        locked = (
            Check.objects.select_for_update(no_key=True).filter(pk=check_id, is_active=True).first()
        )
        if locked is None:
            return
        state = evaluate_drift(locked, _context(locked, monitoring, tenant, now=now))
        if state is DriftState.DRIFTED and not _is_exempt(locked):
            _open_for_check(tenant, locked, now=now)
        elif state is DriftState.MATCHES:
            kind = DRIFT_OF_CHECK[CheckKind(locked.kind)]
            for drift in Drift.objects.filter(check_asked=locked, kind=kind, closed_at=None):
                close_drift(
                    drift, Drift.Resolution.RESOLVED, now=now, resolving_observation=locked.latest
                )


def _is_exempt(check: Check) -> bool:
    """Whether the check's domain is exempt from the task that the check verifies."""
    parts = DomainProgress.objects.filter(domain=check.domain_id, exempted_at__isnull=False)
    return check.domain_id is not None and any(
        check.kind in (*part.task.check_kinds, *part.task.evidence_kinds)
        for part in parts.select_related("task")
    )


def _context(
    check: Check, monitoring: Monitoring, tenant: Tenant, *, now: datetime
) -> DriftContext:
    mx = None
    if check.kind in _NEEDS_MX_CHECK:
        mx = Check.objects.filter(domain=check.domain_id, kind=CheckKind.MX, is_active=True).first()
    return DriftContext(
        since=monitoring.started_at,
        now=now,
        ttl_after=timedelta(days=settings.DRIFT_TTL_DAYS),
        windows=_windows(check, tenant, now=now),
        mx=mx,
    )


def _windows(check: Check, tenant: Tenant, *, now: datetime) -> list[tuple[datetime, datetime]]:
    """The windows in which a FAIL of the check is no drift, with their start and end.

    For a domain they are the windows of its cutovers of the check's direction, also earlier windows
    of a rescheduled cutover. For a host they are the windows open now: a port opened for a window
    must close after it.
    """
    directions = [d for d, kinds in KINDS_OF_DIRECTION.items() if check.kind in kinds]
    cutovers = Cutover.objects.filter(plan__tenant=tenant)
    if check.domain_id is None:
        spans = [window_bounds(each) for each in cutovers]
        return [(opens, closes) for opens, closes in spans if opens <= now < closes]
    planned = cutovers.filter(direction__in=directions, domains=check.domain_id)
    snapshots = CutoverSnapshot.objects.filter(
        cutover__plan__tenant=tenant,
        cutover__direction__in=directions,
        reason=CutoverSnapshot.Reason.OPENED,
    )
    opened = [
        window_bounds_from(start, minutes)
        for start, minutes, content in snapshots.values_list(
            "window_start", "cutover__length_minutes", "content"
        )
        if any(entry["domain"] == check.subject for entry in content)
    ]
    return [*opened, *map(window_bounds, planned)]


def _open_for_check(tenant: Tenant, check: Check, *, now: datetime) -> None:
    latest = check.latest
    open_drift(
        tenant,
        DRIFT_OF_CHECK[CheckKind(check.kind)],
        check.subject,
        now=now,
        check_asked=check,
        observation=latest,
        findings=latest.findings if latest is not None else [],
    )


def open_drift(
    tenant: Tenant, kind: Drift.Kind, subject: str, *, now: datetime, **fields: Any
) -> None:
    """Open a drift unless one is open. A mute of the previous drift that still lasts applies to it.

    `fields` are further fields of the new row.
    """
    of_subject = Drift.objects.filter(tenant=tenant, kind=kind, subject=subject)
    last = of_subject.exclude(closed_at=None).order_by("-closed_at", "-pk").first()
    is_muted = last is not None and last.is_muted(now)
    mute = {"muted_until": last.muted_until, "muted_by": last.muted_by} if last and is_muted else {}
    with transaction.atomic():
        made, is_new = Drift.objects.get_or_create(
            tenant=tenant,
            kind=kind,
            subject=subject,
            closed_at=None,
            defaults={"opened_at": now, **mute, **fields},
        )
        if is_new:
            write_activity(tenant, ActivityName.DRIFT_OPENED, drift=kind.value, subject=subject)
            _add_event(WebhookEvent.DRIFT_BEGAN, made)
            tenant.plan.touch()


def close_drift(
    drift: Drift,
    resolution: Drift.Resolution,
    *,
    now: datetime,
    by: User | None = None,
    reason: str = "",
    resolving_observation: Observation | None = None,
) -> bool:
    """Close a drift and log it; False if it was closed already."""
    with transaction.atomic():
        closed = Drift.objects.filter(pk=drift.pk, closed_at=None).update(
            closed_at=now,
            resolution=resolution,
            resolved_by=by,
            resolution_reason=reason,
            resolving_observation=resolving_observation,
        )
        if closed:
            _log_activity(
                drift, ActivityName.DRIFT_CLOSED, by=by, resolution=resolution.value, reason=reason
            )
            _add_event(WebhookEvent.DRIFT_ENDED, drift, resolution=resolution.value)
    return bool(closed)


def _add_event(event: WebhookEvent, drift: Drift, **data: Any) -> None:
    drifted = {
        "id": drift.public_id,
        "kind": str(drift.kind),
        "label": Drift.Kind(drift.kind).label,
        "subject": drift.subject,
    }
    add_event(event, drift.tenant, drift=drifted, **data)


def _close_unmonitored(tenant: Tenant, *, now: datetime) -> None:
    """Close the drifts of checks that are inactive now: no run can close them any more."""
    of_checks = Drift.objects.filter(tenant=tenant, closed_at=None).exclude(
        kind=Drift.Kind.REGION_CHANGED
    )
    for drift in of_checks.exclude(check_asked__is_active=True):
        close_drift(drift, Drift.Resolution.UNMONITORED, now=now)


# --- The region's values


def update_region_drift(monitoring: Monitoring, tenant: Tenant, *, now: datetime) -> None:
    """Open or close the drift of the region's values, which the client configured at go-live."""
    region = tenant.region_values
    values = region_values_of(region)
    changed = [
        _change(name, monitoring.region_values[name], values[name])
        for name in changed_fields(monitoring.region_values, values)
    ]
    of_region = Drift.objects.filter(tenant=tenant, kind=Drift.Kind.REGION_CHANGED, closed_at=None)
    if changed:
        open_drift(tenant, Drift.Kind.REGION_CHANGED, region.name, now=now, findings=changed)
        of_region.update(findings=changed)
        return
    # A value that was unknown at go-live and is known now is no change for the client.
    new = {name: value for name, value in values.items() if not monitoring.region_values.get(name)}
    if any(new.values()):
        Monitoring.objects.filter(pk=monitoring.pk).update(
            region_values={**monitoring.region_values, **new}
        )
    for drift in of_region:
        close_drift(drift, Drift.Resolution.RESOLVED, now=now)


def _change(name: str, before: Any, after: Any) -> dict[str, Any]:
    old, new = _items(before), _items(after)
    return {
        "field": LABELS[name],
        "removed": [item for item in old if item not in new],
        "added": [item for item in new if item not in old],
    }


def _items(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def accept_region_change(drift: Drift, *, by: User, reason: str) -> None:
    """Close the drift and make the new values the baseline, because the client uses them now.

    Raises OnboardingError without a reason, for another kind of drift, or if it is closed already.
    """
    text = _clean_reason(reason, "Enter the change, and the person who made it.")
    if drift.kind != Drift.Kind.REGION_CHANGED:
        raise OnboardingError("The checks close this drift automatically once it is fixed.")
    tenant = drift.tenant
    with transaction.atomic():
        locked = Drift.objects.select_for_update(no_key=True).get(pk=drift.pk)
        if not close_drift(
            locked, Drift.Resolution.APPLIED, now=database_time.now(), by=by, reason=text
        ):
            raise OnboardingError("This drift is closed already. Nothing was changed.")
        values = region_values_of(tenant.region_values)
        Monitoring.objects.filter(tenant=tenant).update(region_values=values)


# --- Reactions


def acknowledge(drift: Drift, *, by: User, reason: str) -> None:
    """Store a person's acknowledgement with its reason. The monitoring continues."""
    text = _clean_reason(reason, "Enter who will fix it, or why it can remain.")
    _update_open_drift(
        drift,
        ActivityName.DRIFT_ACKNOWLEDGED,
        by=by,
        reason=text,
        columns={
            "acknowledged_at": database_time.now(),
            "acknowledged_by": by,
            "acknowledgement_reason": text,
        },
    )


def mute(drift: Drift, *, by: User, until: datetime) -> None:
    """Send no notification about the drift until then. The page still shows it.

    Raises OnboardingError if the time has passed, or if the drift is closed.
    """
    if until <= database_time.now():
        raise OnboardingError("Choose a day in the future.")
    columns = {"muted_until": until, "muted_by": by}
    _update_open_drift(
        drift, ActivityName.DRIFT_MUTED, by=by, until=until.isoformat(), columns=columns
    )


def unmute(drift: Drift, *, by: User) -> None:
    columns = {"muted_until": None, "muted_by": None}
    _update_open_drift(drift, ActivityName.DRIFT_UNMUTED, by=by, columns=columns)


def _update_open_drift(
    drift: Drift, action: ActivityName, *, by: User, columns: dict[str, Any], **params: Any
) -> None:
    with transaction.atomic():
        if not Drift.objects.filter(pk=drift.pk, closed_at=None).update(**columns):
            raise OnboardingError("This drift is closed already. Nothing was changed.")
        _log_activity(drift, action, by=by, **params)


def _log_activity(drift: Drift, action: ActivityName, *, by: User | None, **params: Any) -> None:
    tenant = drift.tenant
    write_activity(tenant, action, by=by, drift=drift.kind, subject=drift.subject, **params)
    tenant.plan.touch()


def _clean_reason(reason: str, prompt: str) -> str:
    text = reason.strip()
    if not text:
        raise OnboardingError(prompt)
    if len(text) > MAX_REASON_LENGTH:
        raise OnboardingError(
            f"Write at most {MAX_REASON_LENGTH} characters. This reason has {len(text)}."
        )
    return text
