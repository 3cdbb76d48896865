"""The safe times of a tenant's domains: the earliest safe cutover and the earliest lockdown."""

from __future__ import annotations

import functools
import hashlib
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TypedDict

from django.conf import settings
from django.core.cache import cache
from django.db.models import QuerySet

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
from onboarding.plans.cached_policies import cached_policy
from onboarding.plans.task_roles import task_verified_by
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
    # Whether cached MTA-STS policies decide it. `ttl` is then their `max_age`.
    is_policy: bool = False

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
# The tasks that must wait for a safe time.
SAFE_TIME_ROLES = (TaskRole.SWITCHES_INBOUND, *OLD_ROUTE_ROLES)
# The conditions of the inbound cutover: former MX answers and MTA-STS policies in caches.
CUTOVER_KINDS = (CheckKind.MX_TTL, CheckKind.MTA_STS)


def safe_time_for(
    task: Task, safety: Mapping[str, PlanSafeTime], tasks: Iterable[Task]
) -> PlanSafeTime | None:
    """The safe time that the confirmation of a task waits for; None for any other task.

    `tasks` are those of the plan: a condition whose own task is skipped delays no cutover.
    """
    if task.role == TaskRole.SWITCHES_INBOUND:
        return _cutover_time(safety, tasks)
    switch = OLD_ROUTE_SWITCHES.get(task.role)
    if switch is None:
        return None
    found = safety.get(CheckKind.MX.value)
    return replace(found, switch=switch) if found is not None else None


def _cutover_time(safety: Mapping[str, PlanSafeTime], tasks: Iterable[Task]) -> PlanSafeTime | None:
    """The later of the two conditions whose task is not skipped."""
    plan_tasks = list(tasks)
    kept = {}
    for kind in CUTOVER_KINDS:
        task, condition = task_verified_by(plan_tasks, kind), safety.get(kind.value)
        if condition is not None and (task is None or not task.is_skipped):
            kept[kind.value] = condition
    return latest_cutover_time(kept)


def latest_cutover_time(safety: Mapping[str, PlanSafeTime]) -> PlanSafeTime | None:
    """The later safe time of the cutover's conditions; None without a known one."""
    found = [safety[kind.value] for kind in CUTOVER_KINDS if kind.value in safety]
    known = [each for each in found if each.safe_time.safe_at is not None]
    return max(known, key=lambda each: each.safe_time.safe_at or each.now, default=None)


class GateTimes(TypedDict):
    """The safe time of a task as its transitions need it (see TransitionContext)."""

    unsafe_until: datetime | None
    safe_on: date | None
    unknown_safe_time: PlanSafeTime | None


def gate_times(safety: PlanSafeTime | None, tenant: Tenant) -> GateTimes:
    return GateTimes(
        unsafe_until=unsafe_until(safety, tenant),
        safe_on=safe_day(safety, tenant),
        unknown_safe_time=if_unknown(safety),
    )


def unsafe_until(safety: PlanSafeTime | None, tenant: Tenant) -> datetime | None:
    """The safe time in the tenant's zone while it is ahead, else None."""
    if safety is None or not safety.is_ahead or safety.safe_time.safe_at is None:
        return None
    return safety.safe_time.safe_at.astimezone(zoneinfo.ZoneInfo(tenant.time_zone))


def safe_day(safety: PlanSafeTime | None, tenant: Tenant) -> date | None:
    """The day of the known safe time, ahead or over, in the tenant's zone."""
    if safety is None or safety.safe_time.safe_at is None:
        return None
    return safety.safe_time.safe_at.astimezone(zoneinfo.ZoneInfo(tenant.time_zone)).date()


def if_unknown(safety: PlanSafeTime | None) -> PlanSafeTime | None:
    """The safe time if the answers of a name server leave it unknown, else None."""
    return safety if safety is not None and safety.is_unknown else None


def unsafe_tasks(
    tasks: Iterable[Task],
    tenant: Tenant,
    plan_tasks: Iterable[Task],
    *,
    now: datetime,
    checks: QuerySet[Check] | None = None,
) -> dict[Task, PlanSafeTime]:
    """The tasks among `tasks` whose safe time is ahead or unknown, with that time."""
    found = safe_times_for(tasks, tenant, plan_tasks, now=now, checks=checks)
    return {task: time for task, time in found.items() if time.is_ahead or time.is_unknown}


def safe_times_for(
    tasks: Iterable[Task],
    tenant: Tenant,
    plan_tasks: Iterable[Task],
    *,
    now: datetime,
    checks: QuerySet[Check] | None = None,
) -> dict[Task, PlanSafeTime]:
    """The safe time of each task that has one, ahead or over.

    `plan_tasks` are all tasks of the plan. Two queries, one while no check has a new answer, none
    without a task that has a safe time. A second call with the same `checks` reads them only once.
    """
    timed = [task for task in tasks if task.role in SAFE_TIME_ROLES]
    if not timed:
        return {}
    safety = LazySafeTimes(tenant, list(checks_of(tenant) if checks is None else checks), now=now)
    every = list(plan_tasks)
    found = {task: safe_time_for(task, safety, every) for task in timed}
    return {task: time for task, time in found.items() if time is not None}


def not_safe_yet(role: str, unsafe_until: datetime) -> str:
    """The sentence about a task of this role that is not safe yet."""
    is_cutover = role == TaskRole.SWITCHES_INBOUND
    subject = _subject("cutover" if is_cutover else OLD_ROUTE_SWITCHES.get(role))
    return f"{subject[0].upper()}{subject[1:]} is safe from {unsafe_until:%a %-d %b, %H:%M %Z}."


def _subject(switch: str | None) -> str:
    """The switch as the subject of a sentence; the lockdown for any other one."""
    if switch == OLD_ROUTE_SWITCHES[TaskRole.DECOMMISSION]:
        return "switching off the old gateway"
    return "the MX cutover" if switch == "cutover" else "the lockdown"


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
    found = [safety.get(kind) for kind in task.check_kinds if kind in SAFE_TIME_KINDS]
    return next((each for each in found if each is not None and _is_shown(each)), None)


def _is_shown(safety: PlanSafeTime) -> bool:
    """Whether the time is known. A policy that has expired needs no sentence."""
    return safety.is_ahead if safety.is_policy else not safety.is_unknown


def safe_times_of(
    tenant: Tenant, checks: Sequence[Check], *, now: datetime
) -> dict[str, PlanSafeTime]:
    """The safe times of a tenant by check kind. One query."""
    observations = observations_by_kind(checks, list(SAFE_TIME_KINDS))
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
        if check.kind in SAFE_TIME_KINDS
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


# The kinds whose history has the safe time of a switch: the cutover, and the lockdown.
SWITCH_KINDS = (CheckKind.MX_TTL, CheckKind.MX)
# The kinds whose history decides the safe times. A former MTA-STS policy delays the cutover, too.
SAFE_TIME_KINDS = (*SWITCH_KINDS, CheckKind.MTA_STS)


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
    switched, because no switch is left. MTA_STS is missing without a former policy of a domain that
    has to switch.
    """
    history: defaultdict[int, list[Observation]] = defaultdict(list)
    for observation in observations:
        history[observation.check_asked_id].append(observation)
    times = {
        check: _safe_time(check, [_interval(each) for each in history[check.pk]], region)
        for check in checks
        if check.kind in SWITCH_KINDS
    }
    moved = {check.domain_id for check, safe_time in times.items() if safe_time.is_moved}
    ttl = {c: time for c, time in times.items() if c.kind == CheckKind.MX_TTL and not time.is_moved}
    mx = {check: safe_time for check, safe_time in times.items() if check.kind == CheckKind.MX}
    policies = {
        check: policy_safe_time(history[check.pk])
        for check in checks
        if check.kind == CheckKind.MTA_STS and check.domain_id not in moved
    }
    former = {check: time for check, time in policies.items() if time is not None}
    latest = {
        CheckKind.MX_TTL: _latest("cutover", ttl, now=now),
        CheckKind.MX: _unknown(mx, now=now) or _latest("lockdown", mx, now=now),
        CheckKind.MTA_STS: _latest("cutover", former, now=now, is_policy=True),
    }
    return {kind.value: found for kind, found in latest.items() if found is not None}


def _latest(
    switch: str, times: Mapping[Check, SafeTime], *, now: datetime, is_policy: bool = False
) -> PlanSafeTime | None:
    """The safe time of the domain that is safe last; None while one is unknown."""
    if not times or any(safe_time.safe_at is None for safe_time in times.values()):
        return None
    check, safe_time = max(times.items(), key=lambda pair: pair[1].safe_at or now)
    return PlanSafeTime(switch, check.subject, safe_time, now, is_policy=is_policy)


def _unknown(times: Mapping[Check, SafeTime], *, now: datetime) -> PlanSafeTime | None:
    """The unknown safe time of the lockdown. Old hosts are a known danger, so they come first."""
    unknown = [pair for pair in times.items() if pair[1].safe_at is None]
    if not unknown:
        return None
    check, safe_time = min(unknown, key=lambda pair: (not _lagging(pair[1]), pair[0].subject))
    return PlanSafeTime("lockdown", check.subject, safe_time, now, len(unknown) - 1)


def policy_safe_time(history: Sequence[Observation]) -> SafeTime | None:
    """The end of the former MTA-STS policy in caches; None without such a policy."""
    found = cached_policy(history)
    if found is None:
        return None
    return SafeTime(found.expires_at, ttl=found.max_age, seen_until=found.seen_until)


def safe_time_of(
    check: Check, observations: Iterable[Observation], region: Region
) -> SafeTime | None:
    """The safe time of one domain; None for a check kind without one."""
    if check.kind not in SWITCH_KINDS:
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
    assumed = max(ASSUMED_TTL_SECONDS, typed or ASSUMED_TTL_SECONDS)
    if check.kind == CheckKind.MX_TTL:
        threshold = settings.CHECKS_TTL_THRESHOLD_SECONDS
        return cutover_safe_time(
            intervals, threshold=threshold, expected=region.mx, assumed_ttl=assumed
        )
    if not region.mx:
        return SafeTime(None)
    return lockdown_safe_time(intervals, expected=region.mx, assumed_ttl=assumed)
