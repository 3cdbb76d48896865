"""A cutover's room: what its page needs, gathered once from what is stored."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q

from checks.engine.outcomes import Kind
from checks.models import Check, Observation
from onboarding.clashes import clashes
from onboarding.dates import calendar_of
from onboarding.judging import Ground
from onboarding.models import Cutover, Plan, Task
from onboarding.readiness import Facts
from onboarding.safety import clock_of
from onboarding.windows import CLOSES_AFTER, OPENS_BEFORE
from tenants.regions import Region

# The tasks whose domains each question of the readiness is asked for.
TASK_OF_KIND = {
    Kind.OWNERSHIP: "domain-ownership",
    Kind.SPF: "spf-update",
    Kind.DKIM: "dkim-update",
    Kind.DMARC: "outbound-cutover",
    Kind.MTA_STS: "mx-record-cutover",
    Kind.MX_TTL: "mx-ttl-update",
    Kind.MX: "mx-record-cutover",
}


def is_open(cutover: Cutover, now: datetime) -> bool:
    """Whether its window is watched closely now."""
    return cutover.planned_at - OPENS_BEFORE <= now < cutover.planned_at + CLOSES_AFTER


def facts_of(
    cutover: Cutover,
    tasks: Iterable[Task],
    ground: Ground,
    history: Sequence[Observation],
    region: Region,
    *,
    now: datetime,
) -> Facts:
    """What the readiness rests on. `history` holds every sight of the tenant's MX TTL checks."""
    by_key = {task.key: task for task in tasks}
    subjects = {
        kind: ground.evidence(by_key[key], [kind.value]).subjects
        for kind, key in TASK_OF_KIND.items()
        if key in by_key
    }
    clocks = [
        (subject.name, clock)
        for subject in subjects.get(Kind.MX_TTL, ())
        if subject.check is not None
        for clock in [clock_of(subject.check, _seen_by(subject.check, history), region)]
        if clock is not None
    ]
    zone = zoneinfo.ZoneInfo(ground.tenant.time_zone)
    return Facts(cutover, by_key, subjects, clocks, zone, now, is_open(cutover, now))


def _seen_by(check: Check, history: Sequence[Observation]) -> list[Observation]:
    return [seen for seen in history if seen.check_asked_id == check.pk]


def clashes_of(cutover: Cutover, plan: Plan) -> list[str]:
    """What speaks against the window's day, the same consultant's other windows included."""
    tenant = plan.tenant
    others = Cutover.objects.filter(plan__tenant__archived_at__isnull=True).select_related(
        "plan__tenant"
    )
    mine = Q(plan=plan)
    if tenant.consultant_id is not None:
        mine |= Q(plan__tenant__consultant=tenant.consultant_id)
    holidays = dict(tenant.holidays.values_list("day", "name"))
    return clashes(cutover, list(others.filter(mine)), calendar_of(tenant), holidays)
