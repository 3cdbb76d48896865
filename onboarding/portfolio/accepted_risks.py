"""The accepted risks of all tenants: of tasks, of confirmed windows, and of closings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import CharField, DateTimeField, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.urls import reverse

from onboarding.models import AcceptedResidualRisk, Cutover, Task, TaskStatus
from tenants.models import Tenant, User

# An acceptance without an end sorts last.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class AcceptedRisk:
    """One accepted risk. `until` is its end; None if no time ends it."""

    tenant: Tenant
    subject: str
    reason: str
    by: User | None
    until: datetime | None
    url: str


def accepted_risks(tenants: QuerySet[Tenant], *, now: datetime) -> QuerySet[Any]:
    """The source and the primary key of each risk that is still accepted, soonest end first.

    Of open tenants: accepted tasks, and windows ahead that were confirmed despite a blocker. Of all
    tenants: residual risks that are not over.
    """
    ids = tenants.order_by().values("pk")
    is_open = Q(plan__tenant__in=ids, plan__tenant__closed_at=None)
    tasks = Task.objects.filter(is_open, status=TaskStatus.ACCEPTED_RISK, applies=True)
    windows = Cutover.objects.filter(is_open, confirmed_at__isnull=False, planned_at__gte=now)
    residual = AcceptedResidualRisk.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now), tenant__in=ids, withdrawn_at=None
    )
    found = _row("task", tasks, "accepted_until").union(
        _row("window", windows.exclude(accepted_risk=""), "planned_at"),
        _row("residual", residual, "ends_at"),
        all=True,
    )
    return found.order_by("until", "source", "pk")


def _row(source: str, rows: QuerySet[Any], end: str) -> QuerySet[Any]:
    never = Value(_NEVER, output_field=DateTimeField())
    values: QuerySet[Any] = rows.order_by().annotate(
        source=Value(source, output_field=CharField()), until=Coalesce(F(end), never)
    )
    return values.values_list("source", "pk", "until")


def accepted_risk_rows(found: Sequence[tuple[str, int, datetime]]) -> list[AcceptedRisk]:
    """The rows in their order. Three queries for any number."""
    ids: dict[str, list[int]] = {"task": [], "window": [], "residual": []}
    for source, pk, _ in found:
        ids[source].append(pk)
    tasks = Task.objects.select_related("plan__tenant", "status_set_by", "phase")
    windows = Cutover.objects.select_related("plan__tenant", "confirmed_by")
    residual = AcceptedResidualRisk.objects.select_related("tenant", "accepted_by")
    rows: dict[tuple[str, int], AcceptedRisk] = {}
    rows |= {("task", each.pk): _of_task(each) for each in tasks.filter(pk__in=ids["task"])}
    rows |= {("window", each.pk): _of_window(each) for each in windows.filter(pk__in=ids["window"])}
    rows |= {
        ("residual", each.pk): _of_residual(each)
        for each in residual.filter(pk__in=ids["residual"])
    }
    return [rows[source, pk] for source, pk, _ in found if (source, pk) in rows]


def _of_task(task: Task) -> AcceptedRisk:
    tenant = task.plan.tenant
    place = f"?phase={task.phase.key}#{task.key}"
    return AcceptedRisk(
        tenant,
        task.title,
        task.status_reason,
        task.status_set_by,
        task.accepted_until,
        reverse("onboarding:plan-show", args=[tenant.public_id]) + place,
    )


def _of_window(cutover: Cutover) -> AcceptedRisk:
    tenant = cutover.plan.tenant
    return AcceptedRisk(
        tenant,
        f"{cutover}: confirmed with blockers",
        cutover.accepted_risk,
        cutover.confirmed_by,
        cutover.planned_at,
        reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id]),
    )


def _of_residual(accepted: AcceptedResidualRisk) -> AcceptedRisk:
    return AcceptedRisk(
        accepted.tenant,
        accepted.sentence,
        accepted.reason,
        accepted.accepted_by,
        accepted.ends_at,
        reverse("onboarding:closing", args=[accepted.tenant.public_id]),
    )
