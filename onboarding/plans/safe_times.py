"""The safe times of a tenant's domains: the earliest safe cutover and the earliest lockdown."""

from __future__ import annotations

import functools
import hashlib
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.core.cache import cache

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.queries import checks_of, observations_by_kind
from checks.safe_times import (
    ASSUMED_TTL_SECONDS,
    ObservedInterval,
    SafeTime,
    cutover_safe_time,
    lockdown_safe_time,
    observed_interval,
)
from onboarding.models import Task, TaskRole
from tenants.models import Tenant
from tenants.regions import Region

# How long stored safe times remain, which are valid until an answer changes.
STORED_SECONDS = 86_400


@dataclass(frozen=True)
class PlanSafeTime:
    """The safe time of the domain that is safe last.

    `switch` is cutover, lockdown or decommissioning.
    """

    switch: str
    domain: str
    safe_time: SafeTime
    now: datetime

    @property
    def is_ahead(self) -> bool:
        return self.safe_time.safe_at is not None and self.safe_time.safe_at > self.now


# The tasks that end the route over the former MX records, with the names of their switches.
OLD_ROUTE_SWITCHES: Mapping[str, str] = {
    TaskRole.LOCKDOWN.value: "lockdown",
    TaskRole.DECOMMISSION.value: "decommissioning",
}
OLD_ROUTE_ROLES = (TaskRole.LOCKDOWN, TaskRole.DECOMMISSION)


def old_route_time(task: Task, safety: Mapping[str, PlanSafeTime]) -> PlanSafeTime | None:
    """The safe time of a task that ends the old route; None for any other task."""
    switch, found = OLD_ROUTE_SWITCHES.get(task.role), safety.get(CheckKind.MX.value)
    return replace(found, switch=switch) if switch and found is not None else None


def unsafe_until(safety: PlanSafeTime | None, tenant: Tenant) -> datetime | None:
    """The safe time in the tenant's zone while it is ahead, else None."""
    if safety is None or not safety.is_ahead or safety.safe_time.safe_at is None:
        return None
    return safety.safe_time.safe_at.astimezone(zoneinfo.ZoneInfo(tenant.time_zone))


def unsafe_old_routes(
    tasks: Iterable[Task], tenant: Tenant, *, now: datetime
) -> dict[Task, datetime]:
    """The tasks that end the old route before their safe time, with it in the tenant's zone.

    Two queries, none without such a task.
    """
    ending = [task for task in tasks if task.role in OLD_ROUTE_SWITCHES]
    if not ending:
        return {}
    safety = safe_times_of(tenant, list(checks_of(tenant)), now=now)
    found = {task: unsafe_until(old_route_time(task, safety), tenant) for task in ending}
    return {task: until for task, until in found.items() if until is not None}


def old_route_unsafe_until(task: Task, tenant: Tenant, *, now: datetime) -> datetime | None:
    """The safe time of a task that ends the old route while it is ahead; else None."""
    return unsafe_old_routes([task], tenant, now=now).get(task)


def old_route_refusal(role: str, unsafe_until: datetime) -> str:
    """The sentence about a task of this role that is not safe yet."""
    is_decommissioning = role == TaskRole.DECOMMISSION
    subject = "Switching off the old gateway" if is_decommissioning else "The lockdown"
    return f"{subject} is safe from {unsafe_until:%a %-d %b, %H:%M %Z}."


def safe_times_of(
    tenant: Tenant, checks: Sequence[Check], *, now: datetime
) -> dict[str, PlanSafeTime]:
    """The safe times of a tenant by check kind. One query."""
    observations = observations_by_kind(checks, list(SWITCH_OF_KIND))
    return safe_times_by_kind(checks, observations, tenant.region_values, now=now)


class LazySafeTimes(Mapping[str, PlanSafeTime]):
    """The result of `safe_times_of`, computed at its first use, once for each change of an answer.

    The checks must be loaded with `latest`.
    """

    def __init__(self, tenant: Tenant, checks: Sequence[Check], *, now: datetime) -> None:
        self._read = functools.cache(lambda: _stored_safe_times(tenant, checks, now=now))

    def __getitem__(self, kind: str) -> PlanSafeTime:
        return self._read()[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _stored_safe_times(
    tenant: Tenant, checks: Sequence[Check], *, now: datetime
) -> dict[str, PlanSafeTime]:
    """As `safe_times_of`, without a query while no check has a new answer.

    An observation never changes after the next one has begun. The newest one only becomes longer,
    which changes no safe time. So the newest observation of each check identifies its history.
    """
    facts = [settings.VERSION, settings.CHECKS_TTL_THRESHOLD_SECONDS, tenant.region_values.mx]
    facts += [
        (
            check.pk,
            check.subject,
            check.domain and check.domain.original_mx_ttl_seconds,
            *_identity(check.latest),
        )
        for check in checks
        if check.kind in SWITCH_OF_KIND
    ]
    key = f"safe-times:{hashlib.sha256(repr(facts).encode()).hexdigest()}"
    found: dict[str, PlanSafeTime] | None = cache.get(key)
    if found is None:
        found = safe_times_of(tenant, checks, now=now)
        cache.set(key, found, timeout=STORED_SECONDS)
    return {kind: replace(safety, now=now) for kind, safety in found.items()}


def _identity(observation: Observation | None) -> tuple[object, ...]:
    if observation is None:
        return ()
    began = (observation.first_seen_at, observation.first_run_ended_at)
    return (observation.pk, *began, observation.runs > 0)


# The switch whose safe time follows from the history of each check kind.
SWITCH_OF_KIND = {CheckKind.MX_TTL: "cutover", CheckKind.MX: "lockdown"}


def safe_times_by_kind(
    checks: Sequence[Check],
    observations: Iterable[Observation],
    region: Region,
    *,
    now: datetime,
) -> dict[str, PlanSafeTime]:
    """The safe time for all domains, by check kind.

    A kind is missing while a server still publishes the old value or does not answer: then no time
    is safe. It is also missing when every domain has switched, because no switch is left.
    """
    intervals: dict[int, list[ObservedInterval]] = {}
    for observation in observations:
        intervals.setdefault(observation.check_asked_id, []).append(_interval(observation))
    found: dict[str, PlanSafeTime] = {}
    for kind, switch in SWITCH_OF_KIND.items():
        safe_times = [
            (check.subject, _safe_time(check, intervals.get(check.pk, []), region))
            for check in checks
            if check.kind == kind
        ]
        if kind is CheckKind.MX_TTL:
            safe_times = [
                (subject, safe_time) for subject, safe_time in safe_times if not safe_time.is_moved
            ]
        if safe_times and all(safe_time.safe_at is not None for _, safe_time in safe_times):
            domain, safe_time = max(safe_times, key=lambda pair: pair[1].safe_at or now)
            found[kind.value] = PlanSafeTime(switch, domain, safe_time, now)
    return found


def safe_time_of(
    check: Check, observations: Iterable[Observation], region: Region
) -> SafeTime | None:
    """The safe time of one domain; None for a check kind without one."""
    if check.kind not in SWITCH_OF_KIND:
        return None
    return _safe_time(check, [_interval(observation) for observation in observations], region)


def _interval(observation: Observation) -> ObservedInterval:
    return observed_interval(
        observation.evidence,
        observation.findings,
        first_seen_at=observation.first_run_ended_at or observation.first_seen_at,
        last_seen_at=observation.last_seen_at,
    )


def _safe_time(check: Check, intervals: Sequence[ObservedInterval], region: Region) -> SafeTime:
    typed = check.domain.original_mx_ttl_seconds if check.domain is not None else None
    assumed = max(ASSUMED_TTL_SECONDS, typed or 0)
    if check.kind == CheckKind.MX_TTL:
        threshold = settings.CHECKS_TTL_THRESHOLD_SECONDS
        return cutover_safe_time(
            intervals, threshold=threshold, expected=region.mx, assumed_ttl=assumed
        )
    if not region.mx:
        return SafeTime(None)
    return lockdown_safe_time(intervals, expected=region.mx, assumed_ttl=assumed)
