"""Opening and ending drifts as the checks settle, and what people say of them.

Locks: the check's row, then the drift's, then the activity chain, then the plan.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.queries import checks_of
from onboarding.cutovers.windows import KINDS_OF_DIRECTION
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, CutoverSnapshot, DomainProgress, Drift, Monitoring
from onboarding.monitoring.baseline import start_at_go_live
from onboarding.monitoring.drift_rules import (
    KIND_OF_CHECK,
    DriftContext,
    DriftState,
    changed_fields,
    evaluate_drift,
    region_values_of,
)
from onboarding.plans.planned_cutovers import window_bounds, window_bounds_from
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.region_values import LABELS
from tenants.services import write_activity

_NEEDS_MX_CHECK = {CheckKind.MX_TTL, CheckKind.MTA_STS}
MAX_REASON_LENGTH = 500


def update_for_check(check: Check, *, now: datetime | None = None) -> None:
    """Let the drifts of a watched tenant follow a check's newest answer. Safe to repeat."""
    if check.kind not in KIND_OF_CHECK:
        return
    now = now or timezone.now()
    tenant = check.tenant
    monitoring = Monitoring.objects.filter(tenant=tenant).first()
    if monitoring is None and check.kind == CheckKind.MX:
        monitoring = start_at_go_live(tenant, now=now)
    if monitoring is not None and tenant.is_checked:
        _update_drift(check.pk, monitoring, tenant, now=now)


def update_for_tenant(tenant: Tenant, *, now: datetime | None = None) -> None:
    """The same for all of its checks and its region's values: nightly, and after a change."""
    now = now or timezone.now()
    monitoring = Monitoring.objects.filter(tenant=tenant).first() or start_at_go_live(
        tenant, now=now
    )
    if monitoring is None or not tenant.is_checked:
        return
    for check in checks_of(tenant).filter(kind__in=KIND_OF_CHECK):
        _update_drift(check.pk, monitoring, tenant, now=now)
    update_region_drift(monitoring, tenant, now=now)
    _close_unmonitored(tenant, now=now)


def _update_drift(check_id: int, monitoring: Monitoring, tenant: Tenant, *, now: datetime) -> None:
    with transaction.atomic():
        # Held and read anew: a look recorded meanwhile has the last word.
        locked = Check.objects.select_for_update().filter(pk=check_id, is_active=True).first()
        if locked is None:
            return
        state = evaluate_drift(locked, _context(locked, monitoring, tenant, now=now))
        if state is DriftState.DRIFTED and not _is_exempt(locked):
            _open_for_check(tenant, locked, now=now)
        elif state is DriftState.MATCHES:
            kind = KIND_OF_CHECK[CheckKind(locked.kind)]
            for drift in Drift.objects.filter(check_asked=locked, kind=kind, closed_at=None):
                close_drift(
                    drift, Drift.Resolution.RESOLVED, now=now, resolving_observation=locked.latest
                )


def _is_exempt(check: Check) -> bool:
    """A domain that somebody exempted from the step of this check has nothing to hold there."""
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
    """The evenings in which the check's domain was or is to be switched by what it asks about,
    those too that the cutover was moved from. A host's are those that are open now: what was
    opened for one of them is to be shut again after it."""
    directions = [d for d, kinds in KINDS_OF_DIRECTION.items() if check.kind in kinds]
    cutovers = Cutover.objects.filter(plan__tenant=tenant)
    if check.domain_id is None:
        spans = [window_bounds(each) for each in cutovers]
        return [(opens, closes) for opens, closes in spans if opens <= now < closes]
    planned = cutovers.filter(direction__in=directions, domains=check.domain_id)
    kept = CutoverSnapshot.objects.filter(
        cutover__plan__tenant=tenant,
        cutover__direction__in=directions,
        reason=CutoverSnapshot.Reason.OPENED,
    )
    opened = [
        window_bounds_from(start, minutes)
        for start, minutes, content in kept.values_list(
            "window_start", "cutover__length_minutes", "content"
        )
        if any(entry["domain"] == check.subject for entry in content)
    ]
    return [*opened, *map(window_bounds, planned)]


def _open_for_check(tenant: Tenant, check: Check, *, now: datetime) -> None:
    latest = check.latest
    open_drift(
        tenant,
        KIND_OF_CHECK[CheckKind(check.kind)],
        check.subject,
        now=now,
        check_asked=check,
        observation=latest,
        findings=latest.findings if latest is not None else [],
    )


def open_drift(
    tenant: Tenant, kind: Drift.Kind, subject: str, *, now: datetime, **what: Any
) -> None:
    """Begin an episode, unless one is open. Who muted the last one for longer has muted this."""
    of_subject = Drift.objects.filter(tenant=tenant, kind=kind, subject=subject)
    last = of_subject.exclude(closed_at=None).order_by("-closed_at", "-pk").first()
    is_muted = last is not None and last.is_muted(now)
    mute = {"muted_until": last.muted_until, "muted_by": last.muted_by} if last and is_muted else {}
    with transaction.atomic():
        _, is_new = Drift.objects.get_or_create(
            tenant=tenant,
            kind=kind,
            subject=subject,
            closed_at=None,
            defaults={"opened_at": now, **mute, **what},
        )
        if is_new:
            write_activity(tenant, ActivityName.DRIFT_OPENED, drift=kind.value, subject=subject)
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
    """End an episode once; False where another was first."""
    with transaction.atomic():
        ended = Drift.objects.filter(pk=drift.pk, closed_at=None).update(
            closed_at=now,
            resolution=resolution,
            resolved_by=by,
            resolution_reason=reason,
            resolving_observation=resolving_observation,
        )
        if ended:
            _log_activity(
                drift, ActivityName.DRIFT_CLOSED, by=by, resolution=resolution.value, reason=reason
            )
    return bool(ended)


def _close_unmonitored(tenant: Tenant, *, now: datetime) -> None:
    """A domain or host that is no longer asked about cannot become right again."""
    asked = Drift.objects.filter(tenant=tenant, closed_at=None).exclude(
        kind=Drift.Kind.REGION_CHANGED
    )
    for drift in asked.exclude(check_asked__is_active=True):
        close_drift(drift, Drift.Resolution.UNMONITORED, now=now)


# --- The region's values


def update_region_drift(monitoring: Monitoring, tenant: Tenant, *, now: datetime) -> None:
    """Whether the values that the client has set everything by are still Mimecast's."""
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
    # What nobody knew at go-live and somebody knows now is no change for the client.
    learnt = {
        name: value for name, value in values.items() if not monitoring.region_values.get(name)
    }
    if any(learnt.values()):
        Monitoring.objects.filter(pk=monitoring.pk).update(
            region_values={**monitoring.region_values, **learnt}
        )
    for drift in of_region:
        close_drift(drift, Drift.Resolution.RESOLVED, now=now)


def _change(name: str, before: Any, after: Any) -> dict[str, Any]:
    kept, known = _items(before), _items(after)
    return {
        "field": LABELS[name],
        "removed": [item for item in kept if item not in known],
        "added": [item for item in known if item not in kept],
    }


def _items(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def accept_region_change(drift: Drift, *, by: User, reason: str) -> None:
    """The client has followed the new values: from now on they are what it is locked against."""
    text = _clean_reason(reason, "Say what was changed, and by whom.")
    if drift.kind != Drift.Kind.REGION_CHANGED:
        raise OnboardingError("The checks end this by themselves once it is right again.")
    tenant = drift.tenant
    with transaction.atomic():
        locked = Drift.objects.select_for_update().get(pk=drift.pk)
        if not close_drift(
            locked, Drift.Resolution.APPLIED, now=timezone.now(), by=by, reason=text
        ):
            raise OnboardingError("It has ended meanwhile. Nothing was changed.")
        values = region_values_of(tenant.region_values)
        Monitoring.objects.filter(tenant=tenant).update(region_values=values)


# --- What people say


def acknowledge(drift: Drift, *, by: User, reason: str) -> None:
    """Somebody has seen it, and evaluate_drift what comes of it. It goes on being watched."""
    text = _clean_reason(reason, "Say what comes of it: who sees to it, or why it may stay.")
    _update_open_drift(
        drift,
        ActivityName.DRIFT_ACKNOWLEDGED,
        by=by,
        reason=text,
        columns={
            "acknowledged_at": timezone.now(),
            "acknowledged_by": by,
            "acknowledgement_reason": text,
        },
    )


def mute(drift: Drift, *, by: User, until: datetime) -> None:
    """Nobody is sent anything about it until then. It is shown all the same."""
    if until <= timezone.now():
        raise OnboardingError("Choose a day that is still ahead.")
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
            raise OnboardingError("It is right again by now. Nothing was changed.")
        _log_activity(drift, action, by=by, **params)


def _log_activity(drift: Drift, action: ActivityName, *, by: User | None, **params: Any) -> None:
    tenant = drift.tenant
    write_activity(tenant, action, by=by, drift=drift.kind, subject=drift.subject, **params)
    tenant.plan.touch()


def _clean_reason(reason: str, ask: str) -> str:
    text = reason.strip()
    if not text:
        raise OnboardingError(ask)
    if len(text) > MAX_REASON_LENGTH:
        raise OnboardingError(f"Write at most {MAX_REASON_LENGTH} characters; this is {len(text)}.")
    return text
