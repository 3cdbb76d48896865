"""Keeping what was published before a switch, so that it can be put back as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from checks.engine.dns.consensus import ANSWERED_STATUSES, UNANSWERED_CODES
from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.queries import checks_of
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, CutoverSnapshot
from onboarding.plans.planned_cutovers import OPENS_BEFORE
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.regions import Region
from tenants.services import write_activity

KIND_OF_DIRECTION = {
    Cutover.Direction.INBOUND: CheckKind.MX,
    Cutover.Direction.OUTBOUND: CheckKind.SPF,
}
# A zone that has been empty for longer than this is so on purpose.
EMPTY_ZONE_GRACE = timedelta(days=1)
# Later the old hosts may be gone: then nobody is led back to them.
RETRY_WITHIN = timedelta(days=7)


def take_at_opening(cutover: Cutover) -> CutoverSnapshot | None:
    """What stood there when the window opened; None where it is kept already.

    However late it is taken, it holds nothing that began after the opening: by then somebody may
    have published the new answer. Only where nothing had been seen by then, as of a window that was
    planned within the half hour, the first look since counts, so long as it saw no new answer.
    """
    # Asked each minute of an open window: not without need through a year of observations.
    if _opened(cutover).exists():
        return None
    opened_at = cutover.planned_at - OPENS_BEFORE
    return _take(cutover, CutoverSnapshot.Reason.OPENED, at=opened_at, by=None)


def take_now(cutover: Cutover, *, now: datetime, by: User) -> CutoverSnapshot:
    """What stands there now. Once the window has opened, what stood there then is what counts."""
    if now >= cutover.planned_at - OPENS_BEFORE:
        raise OnboardingError(
            "The window has opened, and what was published then is what a rollback puts back."
        )
    made = _take(cutover, CutoverSnapshot.Reason.REQUESTED, at=now, by=by)
    assert made is not None
    return made


def _take(
    cutover: Cutover, reason: CutoverSnapshot.Reason, *, at: datetime, by: User | None
) -> CutoverSnapshot | None:
    tenant = cutover.plan.tenant
    kind = KIND_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    checks = list(checks_of(tenant).filter(kind=kind, domain__cutovers=cutover))
    region = tenant.region_values
    hosts = frozenset(region.mx)
    content = [_entry(check, seen) for check, seen in _answered_before(checks, at)]
    if any(not entry["servers"] for entry in content):
        late = {entry["domain"]: entry for entry in _first_since(checks, at)}
        late = {
            d: e
            for d, e in late.items()
            if not _has_any_of(hosts, e) and not _includes_region(e, region)
        }
        content = [e if e["servers"] else late.get(e["domain"], e) for e in content]
    if kind is CheckKind.MX and any(_has_any_of(hosts, entry) for entry in content):
        earlier = [*_recent_snapshots(cutover), *_recent_observations(checks, at)]
        content = [_before_the_switch(entry, earlier, hosts) for entry in content]
    with transaction.atomic():
        # Of two workers at once the second finds the first one's.
        locked = Cutover.objects.select_for_update().filter(pk=cutover.pk).first()
        is_opening = reason == CutoverSnapshot.Reason.OPENED
        if locked is None or (is_opening and _opened(cutover).exists()):
            return None
        made = CutoverSnapshot.objects.create(
            cutover=cutover,
            window_start=cutover.planned_at,
            reason=reason,
            taken_by=by,
            content=content,
            digest=digest_of(content),
        )
        write_activity(
            tenant,
            ActivityName.SNAPSHOT_TAKEN,
            by=by,
            direction=cutover.direction,
            domains=cutover.domain_summary,
            cutover_id=cutover.public_id,
            digest=made.digest,
        )
        cutover.plan.touch()
    return made


def _recent_snapshots(cutover: Cutover) -> list[dict[str, Any]]:
    """What was kept at earlier openings of this direction, newest first."""
    kept = CutoverSnapshot.objects.filter(
        cutover__plan=cutover.plan_id,
        cutover__direction=cutover.direction,
        reason=CutoverSnapshot.Reason.OPENED,
        window_start__lt=cutover.planned_at,
        window_start__gte=cutover.planned_at - RETRY_WITHIN,
    )
    return [entry for each in kept.order_by("-window_start") for entry in each.content]


def _recent_observations(checks: Iterable[Check], at: datetime) -> list[dict[str, Any]]:
    """What every server was seen to tell in the days before, newest first."""
    by_pk = {check.pk: check for check in checks}
    seen = Observation.objects.filter(
        check_asked__in=by_pk,
        first_seen_at__lte=at,
        last_seen_at__gte=at - RETRY_WITHIN,
        runs__gt=0,
    ).select_related("raw")
    told = [each for each in seen.order_by("-first_seen_at") if _is_complete(each)]
    return [_entry(by_pk[each.check_asked_id], each) for each in told if not _is_empty(each)]


def _first_since(checks: Iterable[Check], at: datetime) -> list[dict[str, Any]]:
    """What every server was seen to tell first after a moment; of each domain the first stands
    last, for whoever makes a dictionary of it."""
    by_pk = {check.pk: check for check in checks}
    seen = Observation.objects.filter(check_asked__in=by_pk, first_seen_at__gt=at, runs__gt=0)
    told = [e for e in seen.select_related("raw").order_by("-first_seen_at") if _is_complete(e)]
    return [_entry(by_pk[each.check_asked_id], each) for each in told if not _is_empty(each)]


def _includes_region(entry: dict[str, Any], region: Region) -> bool:
    """Whether any server's SPF record has the region's include."""
    include = f"include:{region.spf_include}".lower()
    values = [value for row in entry["servers"] for value in row.get("values") or ()]
    return bool(region.spf_include) and any(include in value.lower().split() for value in values)


def _before_the_switch(
    entry: dict[str, Any], earlier: Iterable[dict[str, Any]], hosts: frozenset[str]
) -> dict[str, Any]:
    """A window that is moved after its switch has begun opens on the new answer, and so does one
    before which somebody published early. The way back is what stood there when it opened at first,
    or what was seen last without any of the new hosts."""
    if not _has_any_of(hosts, entry):
        return entry
    of_domain = (each for each in earlier if each["domain"] == entry["domain"])
    told = (each for each in of_domain if each["servers"] and not _has_any_of(hosts, each))
    return next(told, entry)


def _has_any_of(hosts: frozenset[str], entry: dict[str, Any]) -> bool:
    return any(
        value.partition(" ")[2] in hosts
        for row in entry["servers"]
        for value in row.get("values") or ()
    )


def _opened(cutover: Cutover) -> QuerySet[CutoverSnapshot]:
    return CutoverSnapshot.objects.filter(
        cutover=cutover, window_start=cutover.planned_at, reason=CutoverSnapshot.Reason.OPENED
    )


def digest_of(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _answered_before(
    checks: Iterable[Check], at: datetime
) -> Iterable[tuple[Check, Observation | None]]:
    """The newest observation of each check that had begun by `at` and in which all servers told.

    Records that were there within the day before count for more than none: a zone that is being
    loaded, or was lost, is nothing to go back to.
    """
    by_pk = {check.pk: check for check in checks}
    found: dict[int, Observation] = {}
    begun = Observation.objects.filter(
        check_asked__in=by_pk, first_seen_at__lte=at, runs__gt=0
    ).select_related("raw")
    for seen in begun.order_by("first_seen_at"):
        before = found.get(seen.check_asked_id)
        is_lost = (
            before is not None and before.last_seen_at > at - EMPTY_ZONE_GRACE and _is_empty(seen)
        )
        if _is_complete(seen) and not is_lost:
            found[seen.check_asked_id] = seen
    return [(check, found.get(pk)) for pk, check in by_pk.items()]


def _is_empty(seen: Observation) -> bool:
    return not any(row.get("values") for row in seen.evidence.get("servers") or [])


def _is_complete(seen: Observation) -> bool:
    rows = seen.evidence.get("servers") or []
    is_told = all(row.get("status") in ANSWERED_STATUSES for row in rows)
    return bool(rows) and is_told and not any(f["code"] in UNANSWERED_CODES for f in seen.findings)


def _entry(check: Check, seen: Observation | None) -> dict[str, Any]:
    """A domain whose servers never all told is named with no servers, and not passed over."""
    entry: dict[str, Any] = {"domain": check.subject, "kind": check.kind, "servers": []}
    if seen is None:
        return entry
    return entry | {
        "servers": [
            {key: row.get(key) for key in ("name", "address", "values", "ttl")}
            for row in seen.evidence["servers"]
        ],
        "observation": seen.public_id,
        "raw": seen.raw.digest if seen.raw is not None else "",
        "first_seen_at": seen.first_seen_at.isoformat(),
        "last_seen_at": seen.last_seen_at.isoformat(),
    }
