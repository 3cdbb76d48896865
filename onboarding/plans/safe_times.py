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
from onboarding.models import Task, TaskRole, TaskStatus
from onboarding.models.cutovers import join_names
from tenants.models import Tenant
from tenants.regions import Region

# How long stored safe times remain, which are valid until an answer changes.
STORED_SECONDS = 86_400


@dataclass(frozen=True)
class PlanSafeTime:
    """The safe time of the domain that is safe last, or of one whose safe time is unknown.

    `switch` is cutover, lockdown or decommissioning. `others` is the number of further domains
    whose safe time is unknown.
    """

    switch: str
    domain: str
    safe_time: SafeTime
    now: datetime
    others: int = 0

    @property
    def is_ahead(self) -> bool:
        return self.safe_time.safe_at is not None and self.safe_time.safe_at > self.now

    @property
    def is_unknown(self) -> bool:
        return self.safe_time.safe_at is None

    @property
    def cause(self) -> str:
        """Why the safe time is unknown: the domain, and the servers where they are known."""
        names, reason, _ = self._obstacle
        source = f"{join_names(names)} of {self.domain}" if names else self.domain
        more = f" The same applies to {_count(self.others)}." if self.others else ""
        return (
            f"{source} {reason}, so Gangway cannot compute when"
            f" {_subject(self.switch)} is safe.{more}"
        )

    @property
    def remedy(self) -> str:
        """The action that makes the safe time known, or that replaces it."""
        return f"{self._obstacle[2]} Otherwise a consultant can accept the risk of this task."

    @property
    def _obstacle(self) -> tuple[Sequence[str], str, str]:
        """The servers in the way, what they do, and the remedy. Old hosts come first."""
        found = self.safe_time
        lagging = _lagging(found)
        if lagging:
            verb = "publishes" if len(lagging) == 1 else "publish"
            remedy = f"Replace the MX records there, then check {self.domain} again."
            return lagging, f"still {verb} the old hosts", remedy
        if found.silent_servers:
            verb = "does" if len(found.silent_servers) == 1 else "do"
            remedy = (
                "Repair the name server or remove it from the delegation,"
                f" then check {self.domain} again."
            )
            return found.silent_servers, f"{verb} not answer", remedy
        if found.empty_servers:
            verb = "has" if len(found.empty_servers) == 1 else "have"
            remedy = f"Publish the MX records there, then check {self.domain} again."
            return found.empty_servers, f"{verb} no MX records", remedy
        reason = "has no check yet that found only Mimecast’s MX hosts at every name server"
        return (), reason, f"Check the MX records of {self.domain} again."


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


def if_unknown(safety: PlanSafeTime | None) -> PlanSafeTime | None:
    """The safe time if the answers of a name server leave it unknown, else None."""
    return safety if safety is not None and safety.is_unknown else None


def unsafe_old_routes(
    tasks: Iterable[Task], tenant: Tenant, *, now: datetime
) -> dict[Task, PlanSafeTime]:
    """The tasks that end the old route whose safe time is ahead or unknown, with that time.

    Two queries, one while no check has a new answer, none without such a task.
    """
    ending = [task for task in tasks if task.role in OLD_ROUTE_SWITCHES]
    if not ending:
        return {}
    safety = LazySafeTimes(tenant, list(checks_of(tenant)), now=now)
    found = {task: old_route_time(task, safety) for task in ending}
    return {
        task: time
        for task, time in found.items()
        if time is not None and (time.is_ahead or time.is_unknown)
    }


def old_route_refusal(role: str, unsafe_until: datetime) -> str:
    """The sentence about a task of this role that is not safe yet."""
    subject = _subject(OLD_ROUTE_SWITCHES.get(role, ""))
    return f"{subject[0].upper()}{subject[1:]} is safe from {unsafe_until:%a %-d %b, %H:%M %Z}."


def _subject(switch: str) -> str:
    is_decommissioning = switch == OLD_ROUTE_SWITCHES[TaskRole.DECOMMISSION]
    return "switching off the old gateway" if is_decommissioning else "the lockdown"


def _count(domains: int) -> str:
    return "one more domain" if domains == 1 else f"{domains} more domains"


def _lagging(safe_time: SafeTime) -> list[str]:
    """The servers that give out old hosts."""
    without = {*safe_time.silent_servers, *safe_time.empty_servers}
    return [name for name in safe_time.pending_servers if name not in without]


def shown_safe_time(
    task: Task, safety: Mapping[str, PlanSafeTime], awaited: PlanSafeTime | None
) -> PlanSafeTime | None:
    """The safe time in the row of a task. `awaited` is the one that the task waits for."""
    # A name server that is silent long after a task was done is no danger.
    if awaited is not None and (awaited.is_ahead or task.is_open_leaf):
        return awaited
    if task.status != TaskStatus.VERIFIED:
        return None
    # A task of other kinds does not read the history behind the safe times.
    found = [safety.get(kind) for kind in task.check_kinds if kind in SWITCH_OF_KIND]
    return next((each for each in found if each is not None and not each.is_unknown), None)


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
    key = f"plan-safe-times:{hashlib.sha256(repr(facts).encode()).hexdigest()}"
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

    While a server still publishes the old value or does not answer, no time is safe. Then MX has a
    safe time that is unknown, and MX_TTL is missing. MX_TTL is also missing when every domain has
    switched, because no switch is left.
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
        unknown = [pair for pair in safe_times if pair[1].safe_at is None]
        if unknown and kind is CheckKind.MX:
            # Old hosts are a known danger, so their domain comes before a silent one.
            domain, safe_time = min(unknown, key=lambda pair: (not _lagging(pair[1]), pair[0]))
            found[kind.value] = PlanSafeTime(switch, domain, safe_time, now, len(unknown) - 1)
        elif safe_times and not unknown:
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
