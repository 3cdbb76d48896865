"""Opening and ending drifts as the checks settle, and what people say of them.

Locks: the check's row, then the drift's, then the activity chain, then the plan.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from checks.engine.outcomes import Kind
from checks.models import Check, Observation
from checks.queries import checks_of
from onboarding.cutovers.windows import KINDS_OF_DIRECTION, span_from, span_of
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, CutoverSnapshot, DomainPart, Drift, Watch
from onboarding.watch.drift_rules import (
    KIND_OF_CHECK,
    Footing,
    Says,
    changed_fields,
    region_values_of,
    says,
)
from onboarding.watch.watching import begin_at_go_live
from tenants.models import Tenant, User
from tenants.region_values import LABELS
from tenants.services import write_activity

_ABOUT_THE_MX = {Kind.MX_TTL, Kind.MTA_STS}
LONGEST_WORDS = 500


def follow_check(check: Check, *, now: datetime | None = None) -> None:
    """Let the drifts of a watched tenant follow a check's newest answer. Safe to repeat."""
    if check.kind not in KIND_OF_CHECK:
        return
    now = now or timezone.now()
    tenant = check.tenant
    watch = Watch.objects.filter(tenant=tenant).first()
    if watch is None and check.kind == Kind.MX:
        watch = begin_at_go_live(tenant, now=now)
    if watch is not None and tenant.is_looked_at:
        _follow(check.pk, watch, tenant, now=now)


def follow_tenant(tenant: Tenant, *, now: datetime | None = None) -> None:
    """The same for all of its checks and its region's values: nightly, and after a change."""
    now = now or timezone.now()
    watch = Watch.objects.filter(tenant=tenant).first() or begin_at_go_live(tenant, now=now)
    if watch is None or not tenant.is_looked_at:
        return
    for check in checks_of(tenant).filter(kind__in=KIND_OF_CHECK):
        _follow(check.pk, watch, tenant, now=now)
    follow_region(watch, tenant, now=now)
    _let_go(tenant, now=now)


def _follow(check_id: int, watch: Watch, tenant: Tenant, *, now: datetime) -> None:
    with transaction.atomic():
        # Held and read anew: a look recorded meanwhile has the last word.
        held = Check.objects.select_for_update().filter(pk=check_id, is_active=True).first()
        if held is None:
            return
        said = says(held, _footing(held, watch, tenant, now=now))
        if said is Says.DRIFTED and not _is_exempt(held):
            _open(tenant, held, now=now)
        elif said is Says.HOLDS:
            kind = KIND_OF_CHECK[Kind(held.kind)]
            for drift in Drift.objects.filter(check_asked=held, kind=kind, closed_at=None):
                end_drift(drift, Drift.Ending.MENDED, now=now, mended_by=held.latest)


def _is_exempt(check: Check) -> bool:
    """A domain that somebody exempted from the step of this check has nothing to hold there."""
    parts = DomainPart.objects.filter(domain=check.domain_id, exempted_at__isnull=False)
    return check.domain_id is not None and any(
        check.kind in (*part.task.check_kinds, *part.task.evidence_kinds)
        for part in parts.select_related("task")
    )


def _footing(check: Check, watch: Watch, tenant: Tenant, *, now: datetime) -> Footing:
    mx = None
    if check.kind in _ABOUT_THE_MX:
        mx = Check.objects.filter(domain=check.domain_id, kind=Kind.MX, is_active=True).first()
    return Footing(
        since=watch.since,
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
        spans = [span_of(each) for each in cutovers]
        return [(opens, closes) for opens, closes in spans if opens <= now < closes]
    planned = cutovers.filter(direction__in=directions, domains=check.domain_id)
    kept = CutoverSnapshot.objects.filter(
        cutover__plan__tenant=tenant,
        cutover__direction__in=directions,
        reason=CutoverSnapshot.Reason.OPENED,
    )
    opened = [
        span_from(start, minutes)
        for start, minutes, content in kept.values_list(
            "window_start", "cutover__length_minutes", "content"
        )
        if any(entry["domain"] == check.subject for entry in content)
    ]
    return [*opened, *map(span_of, planned)]


def _open(tenant: Tenant, check: Check, *, now: datetime) -> None:
    latest = check.latest
    open_drift(
        tenant,
        KIND_OF_CHECK[Kind(check.kind)],
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
            write_activity(tenant, "drift-opened", drift=kind.value, subject=subject)
            tenant.plan.touch()


def end_drift(
    drift: Drift,
    ending: Drift.Ending,
    *,
    now: datetime,
    by: User | None = None,
    because: str = "",
    mended_by: Observation | None = None,
) -> bool:
    """End an episode once; False where another was first."""
    with transaction.atomic():
        ended = Drift.objects.filter(pk=drift.pk, closed_at=None).update(
            closed_at=now,
            ending=ending,
            ended_by=by,
            ended_because=because,
            mended_by=mended_by,
        )
        if ended:
            _note(drift, "drift-ended", by=by, ending=ending.value, because=because)
    return bool(ended)


def _let_go(tenant: Tenant, *, now: datetime) -> None:
    """A domain or host that is no longer asked about cannot become right again."""
    asked = Drift.objects.filter(tenant=tenant, closed_at=None).exclude(
        kind=Drift.Kind.REGION_CHANGED
    )
    for drift in asked.exclude(check_asked__is_active=True):
        end_drift(drift, Drift.Ending.LET_GO, now=now)


# --- The region's values


def follow_region(watch: Watch, tenant: Tenant, *, now: datetime) -> None:
    """Whether the values that the client has set everything by are still Mimecast's."""
    region = tenant.region_values
    values = region_values_of(region)
    changed = [
        _change(name, watch.region_values[name], values[name])
        for name in changed_fields(watch.region_values, values)
    ]
    of_region = Drift.objects.filter(tenant=tenant, kind=Drift.Kind.REGION_CHANGED, closed_at=None)
    if changed:
        open_drift(tenant, Drift.Kind.REGION_CHANGED, region.name, now=now, findings=changed)
        of_region.update(findings=changed)
        return
    # What nobody knew at go-live and somebody knows now is no change for the client.
    learnt = {name: value for name, value in values.items() if not watch.region_values.get(name)}
    if any(learnt.values()):
        Watch.objects.filter(pk=watch.pk).update(region_values={**watch.region_values, **learnt})
    for drift in of_region:
        end_drift(drift, Drift.Ending.MENDED, now=now)


def _change(name: str, before: Any, after: Any) -> dict[str, Any]:
    kept, known = _items(before), _items(after)
    return {
        "field": LABELS[name],
        "gone": [item for item in kept if item not in known],
        "come": [item for item in known if item not in kept],
    }


def _items(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def settle_region(drift: Drift, *, by: User, because: str) -> None:
    """The client has followed the new values: from now on they are what it is held against."""
    words = _words(because, "Say what was changed, and by whom.")
    if drift.kind != Drift.Kind.REGION_CHANGED:
        raise OnboardingError("The checks end this by themselves once it is right again.")
    tenant = drift.tenant
    with transaction.atomic():
        held = Drift.objects.select_for_update().get(pk=drift.pk)
        if not end_drift(held, Drift.Ending.SETTLED, now=timezone.now(), by=by, because=words):
            raise OnboardingError("It has ended meanwhile. Nothing was changed.")
        values = region_values_of(tenant.region_values)
        Watch.objects.filter(tenant=tenant).update(region_values=values)


# --- What people say


def acknowledge(drift: Drift, *, by: User, because: str) -> None:
    """Somebody has seen it, and says what comes of it. It goes on being watched."""
    words = _words(because, "Say what comes of it: who sees to it, or why it may stay.")
    _change_open(
        drift,
        "drift-acknowledged",
        by=by,
        because=words,
        columns={
            "acknowledged_at": timezone.now(),
            "acknowledged_by": by,
            "acknowledged_because": words,
        },
    )


def mute(drift: Drift, *, by: User, until: datetime) -> None:
    """Nobody is sent anything about it until then. It is shown all the same."""
    if until <= timezone.now():
        raise OnboardingError("Choose a day that is still ahead.")
    columns = {"muted_until": until, "muted_by": by}
    _change_open(drift, "drift-muted", by=by, until=until.isoformat(), columns=columns)


def unmute(drift: Drift, *, by: User) -> None:
    columns = {"muted_until": None, "muted_by": None}
    _change_open(drift, "drift-unmuted", by=by, columns=columns)


def _change_open(
    drift: Drift, act: str, *, by: User, columns: dict[str, Any], **params: Any
) -> None:
    with transaction.atomic():
        if not Drift.objects.filter(pk=drift.pk, closed_at=None).update(**columns):
            raise OnboardingError("It is right again by now. Nothing was changed.")
        _note(drift, act, by=by, **params)


def _note(drift: Drift, act: str, *, by: User | None, **params: Any) -> None:
    tenant = drift.tenant
    write_activity(tenant, act, by=by, drift=drift.kind, subject=drift.subject, **params)
    tenant.plan.touch()


def _words(because: str, ask: str) -> str:
    words = because.strip()
    if not words:
        raise OnboardingError(ask)
    if len(words) > LONGEST_WORDS:
        raise OnboardingError(f"Write at most {LONGEST_WORDS} characters; this is {len(words)}.")
    return words
