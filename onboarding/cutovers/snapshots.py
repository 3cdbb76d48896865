"""Snapshots of the records published before a switch, for its rollback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
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
# A zone that is empty for longer than this is empty on purpose.
EMPTY_ZONE_GRACE = timedelta(days=1)
# Records older than this may name hosts that no longer exist, so no rollback uses them.
RETRY_WITHIN = timedelta(days=7)


def save_at_opening(cutover: Cutover) -> CutoverSnapshot | None:
    """Store the records published when the window opened; None if they are stored already.

    A late snapshot contains no answer that began after the opening, because the new records may be
    published by then. If no observation is that old (a window planned within the half hour before
    it opens), the first later observation without a new record counts.
    """
    # Runs each minute of an open window: avoid reading a year of observations each time.
    if _opened(cutover).exists():
        return None
    opened_at = cutover.planned_at - OPENS_BEFORE
    return _save_snapshot(cutover, CutoverSnapshot.Reason.OPENED, at=opened_at, by=None)


def save_now(cutover: Cutover, *, now: datetime, by: User) -> CutoverSnapshot:
    """Store the records published now. Raises OnboardingError once the window has opened, because
    a rollback restores the records of the opening, and after a simultaneous cancellation."""
    if now >= cutover.planned_at - OPENS_BEFORE:
        raise OnboardingError(
            "The window has opened. A rollback restores the records published at that time."
        )
    made = _save_snapshot(cutover, CutoverSnapshot.Reason.REQUESTED, at=now, by=by)
    if made is None:
        raise OnboardingError("The cutover has just been cancelled. No snapshot was saved.")
    return made


def _save_snapshot(
    cutover: Cutover, reason: CutoverSnapshot.Reason, *, at: datetime, by: User | None
) -> CutoverSnapshot | None:
    tenant = cutover.plan.tenant
    kind = KIND_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    checks = list(checks_of(tenant).filter(kind=kind, domain__cutovers=cutover))
    region = tenant.region_values
    hosts = frozenset(region.mx)
    content = [_entry(check, found) for check, found in _answered_before(checks, at)]
    if any(not entry["servers"] for entry in content):
        first = {entry["domain"]: entry for entry in _first_since(checks, at)}
        old = {
            domain: entry
            for domain, entry in first.items()
            if not _has_any_of(hosts, entry) and not _includes_region(entry, region)
        }
        content = [e if e["servers"] else old.get(e["domain"], e) for e in content]
    if kind is CheckKind.MX and any(_has_any_of(hosts, entry) for entry in content):
        earlier = [*_recent_snapshots(cutover), *_recent_observations(checks, at)]
        content = [_before_the_switch(entry, earlier, hosts) for entry in content]
    with transaction.atomic():
        # Of two concurrent workers the second finds the snapshot of the first.
        locked = Cutover.objects.select_for_update(no_key=True).filter(pk=cutover.pk).first()
        is_opening = reason == CutoverSnapshot.Reason.OPENED
        if locked is None or (is_opening and _opened(cutover).exists()):
            return None
        made = CutoverSnapshot.objects.create(
            cutover=cutover,
            window_start=cutover.planned_at,
            reason=reason,
            saved_by=by,
            content=content,
            digest=digest_of(content),
        )
        write_activity(
            tenant,
            ActivityName.SNAPSHOT_SAVED,
            by=by,
            direction=cutover.direction,
            domains=cutover.domain_summary,
            cutover_id=cutover.public_id,
            digest=made.digest,
        )
        cutover.plan.touch()
    return made


def _recent_snapshots(cutover: Cutover) -> list[dict[str, Any]]:
    """The entries stored at earlier openings of this direction, newest first."""
    earlier = CutoverSnapshot.objects.filter(
        cutover__plan=cutover.plan_id,
        cutover__direction=cutover.direction,
        reason=CutoverSnapshot.Reason.OPENED,
        window_start__lt=cutover.planned_at,
        window_start__gte=cutover.planned_at - RETRY_WITHIN,
    )
    return [entry for each in earlier.order_by("-window_start") for entry in each.content]


def _recent_observations(checks: Iterable[Check], at: datetime) -> list[dict[str, Any]]:
    """The complete answers of the days before `at`, newest first."""
    by_pk = {check.pk: check for check in checks}
    rows = Observation.objects.filter(
        check_asked__in=by_pk,
        first_seen_at__lte=at,
        last_seen_at__gte=at - RETRY_WITHIN,
        runs__gt=0,
    ).select_related("raw")
    return _entries(rows, by_pk)


def _first_since(checks: Iterable[Check], at: datetime) -> list[dict[str, Any]]:
    """The complete answers after `at`, newest first: a dictionary by domain keeps the oldest."""
    by_pk = {check.pk: check for check in checks}
    rows = Observation.objects.filter(check_asked__in=by_pk, first_seen_at__gt=at, runs__gt=0)
    return _entries(rows.select_related("raw"), by_pk)


def _entries(rows: QuerySet[Observation], by_pk: Mapping[int, Check]) -> list[dict[str, Any]]:
    complete = [each for each in rows.order_by("-first_seen_at") if _is_complete(each)]
    return [_entry(by_pk[each.check_asked_id], each) for each in complete if not _is_empty(each)]


def _includes_region(entry: dict[str, Any], region: Region) -> bool:
    """Whether any server's SPF record has the region's include."""
    include = f"include:{region.spf_include}".lower()
    values = [value for row in entry["servers"] for value in row.get("values") or ()]
    return bool(region.spf_include) and any(include in value.lower().split() for value in values)


def _before_the_switch(
    entry: dict[str, Any], earlier: Iterable[dict[str, Any]], hosts: frozenset[str]
) -> dict[str, Any]:
    """The domain's newest entry without any of the new hosts, or `entry` if there is none.

    A window that opens on the new answer was rescheduled after its switch began, or the records
    were published early. Its rollback restores the records of the first opening, or the last ones
    observed without a new host.
    """
    if not _has_any_of(hosts, entry):
        return entry
    of_domain = (each for each in earlier if each["domain"] == entry["domain"])
    old = (each for each in of_domain if each["servers"] and not _has_any_of(hosts, each))
    return next(old, entry)


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
    """The SHA-256 digest of the content as canonical JSON, in hexadecimal."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _answered_before(
    checks: Iterable[Check], at: datetime
) -> Iterable[tuple[Check, Observation | None]]:
    """Each check with its newest complete observation that began by `at`, or None.

    An empty answer does not replace records observed within the day before: a zone that is being
    loaded, or was lost, is no state to restore.
    """
    by_pk = {check.pk: check for check in checks}
    found: dict[int, Observation] = {}
    begun = Observation.objects.filter(
        check_asked__in=by_pk, first_seen_at__lte=at, runs__gt=0
    ).select_related("raw")
    for each in begun.order_by("first_seen_at"):
        before = found.get(each.check_asked_id)
        is_lost = (
            before is not None and before.last_seen_at > at - EMPTY_ZONE_GRACE and _is_empty(each)
        )
        if _is_complete(each) and not is_lost:
            found[each.check_asked_id] = each
    return [(check, found.get(pk)) for pk, check in by_pk.items()]


def _is_empty(observation: Observation) -> bool:
    return not any(row.get("values") for row in observation.evidence.get("servers") or [])


def _is_complete(observation: Observation) -> bool:
    """Whether every server answered. A server without an address has a finding, but no row."""
    rows = observation.evidence.get("servers") or []
    have_answered = all(row.get("status") in ANSWERED_STATUSES for row in rows)
    codes = {finding["code"] for finding in observation.findings}
    return bool(rows) and have_answered and not codes.intersection(UNANSWERED_CODES)


def _entry(check: Check, observation: Observation | None) -> dict[str, Any]:
    """One domain of a snapshot. Without a complete observation it has an empty list of servers."""
    entry: dict[str, Any] = {"domain": check.subject, "kind": check.kind, "servers": []}
    if observation is None:
        return entry
    return entry | {
        "servers": [
            {key: row.get(key) for key in ("name", "address", "values", "ttl")}
            for row in observation.evidence["servers"]
        ],
        "observation": observation.public_id,
        "raw": observation.raw.digest if observation.raw is not None else "",
        "first_seen_at": observation.first_seen_at.isoformat(),
        "last_seen_at": observation.last_seen_at.isoformat(),
    }
