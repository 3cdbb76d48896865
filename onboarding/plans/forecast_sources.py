"""The rows behind the forecasts of several tenants, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from django.db.models import Q, QuerySet

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.queries import observations_by_kind
from onboarding.models import (
    Cutover,
    DomainProgress,
    Freeze,
    Holiday,
    Task,
    TaskRole,
)
from onboarding.plans.business_time import Calendar
from onboarding.plans.dates import calendars_of
from onboarding.plans.domain_progress import ExemptPairs
from onboarding.plans.durations import DurationSamples, load_samples
from onboarding.plans.planned_cutovers import with_domains
from onboarding.plans.rollup import asked_sides
from tenants.models import Domain, Tenant

_Row = TypeVar("_Row")
# The histories from which safe times and the age of a policy follow.
KINDS = (CheckKind.MX_TTL, CheckKind.MX, CheckKind.MTA_STS)
# Texts and lists of a task that no forecast reads. A list of 50 tenants has 2500 tasks.
_UNREAD_FIELDS = (
    "instructions",
    "shown_by",
    "links",
    "evidence_kinds",
    "completed_by",
    "undo",
    "status_reason",
    "not_applicable_reason",
)


@dataclass(frozen=True)
class TenantRows:
    """The rows of one tenant. `asked` is the side with an open question, by task id."""

    tenant: Tenant
    tasks: Sequence[Task]
    cutovers: Sequence[Cutover]
    domains: Sequence[Domain]
    checks: Sequence[Check]
    observations: Mapping[int, Sequence[Observation]]
    exempt: ExemptPairs
    asked: Mapping[int, str]
    calendar: Calendar
    mimecast_holidays: frozenset[date]
    freezes: Sequence[Freeze]
    samples: DurationSamples
    now: datetime


def load_rows(tenants: Sequence[Tenant], *, now: datetime) -> list[TenantRows]:
    """The rows of each tenant. Thirteen queries for any number of tenants.

    The plan of each tenant must be loaded.
    """
    ids = [tenant.pk for tenant in tenants]
    tasks = _by(_tasks(ids), lambda task: task.plan_id)
    cutovers = _by(
        with_domains(Cutover.objects.filter(plan__tenant__in=ids)), lambda cutover: cutover.plan_id
    )
    domains = _by(Domain.objects.filter(tenant__in=ids), lambda domain: domain.tenant_id)
    checks = list(
        Check.objects.filter(tenant__in=ids, is_active=True, kind__in=[*KINDS]).select_related(
            "domain", "host", "latest"
        )
    )
    observations = _by(
        observations_by_kind(_with_history(checks, tenants, tasks), [*KINDS]),
        lambda observation: observation.check_asked_id,
    )
    checks_by_tenant = _by(checks, lambda check: check.tenant_id)
    calendars = calendars_of(tenants)
    of_mimecast = Holiday.objects.filter(tenant__isnull=True)
    mimecast_holidays = frozenset(of_mimecast.values_list("day", flat=True))
    freezes = list(Freeze.objects.filter(Q(tenant__in=ids) | Q(tenant__isnull=True)))
    exempt = DomainProgress.objects.filter(task__plan__tenant__in=ids, exempted_at__isnull=False)
    exempt_pairs = frozenset(exempt.values_list("task_id", "domain_id"))
    asked = asked_sides(tenant.plan.pk for tenant in tenants)
    keys = {task.key for rows in tasks.values() for task in rows if task.is_open_leaf}
    samples = load_samples(keys, now=now)
    return [
        TenantRows(
            tenant,
            tasks.get(tenant.plan.pk, []),
            cutovers.get(tenant.plan.pk, []),
            domains.get(tenant.pk, []),
            checks_by_tenant.get(tenant.pk, []),
            observations,
            exempt_pairs,
            asked,
            calendars[tenant.pk],
            mimecast_holidays,
            [each for each in freezes if each.tenant_id in (None, tenant.pk)],
            samples,
            now,
        )
        for tenant in tenants
    ]


def _tasks(ids: Sequence[int]) -> QuerySet[Task]:
    found = Task.objects.filter(plan__tenant__in=ids).select_related("assignee")
    return found.defer(*_UNREAD_FIELDS).order_by("position")


def _with_history(
    checks: Iterable[Check], tenants: Iterable[Tenant], tasks: Mapping[int, Sequence[Task]]
) -> list[Check]:
    """The checks whose history a forecast reads, because histories can be long.

    Until every domain has switched these are the MX TTL and the policy, and after that the MX.
    """
    switching = {
        tenant.pk
        for tenant in tenants
        for task in tasks.get(tenant.plan.pk, ())
        if task.role == TaskRole.SWITCHES_INBOUND and task.is_open_leaf
    }
    return [
        check for check in checks if (check.kind == CheckKind.MX) != (check.tenant_id in switching)
    ]


def _by(rows: Iterable[_Row], key: Callable[[_Row], int]) -> dict[int, list[_Row]]:
    found: dict[int, list[_Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found
