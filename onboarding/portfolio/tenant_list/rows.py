"""The rows of the list of tenants and of its files, stored as those of the dashboard."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.db.models import F, Prefetch, QuerySet
from django.template.loader import get_template

from onboarding.cutovers.queries import switched
from onboarding.models import (
    Cutover,
    CutoverStatus,
    Phase,
    PlanFigures,
    Responsibility,
    Task,
)
from onboarding.plans.business_time import Calendar
from onboarding.plans.current_state import TenantState, tenant_states
from onboarding.plans.dates import calendars_of
from onboarding.plans.planned_cutovers import with_domains
from onboarding.portfolio.dashboard_rows import changes_with_time, oldest_runs
from onboarding.portfolio.queries import open_proposal_counts
from onboarding.portfolio.risk_list import ShownRisk, risks_prefetch, shown_risks
from onboarding.portfolio.row_cache import CachedRow, cached_rows
from tenants import database_time
from tenants.models import Tenant, User
from tenants.queries import staffed_ids
from tenants.visible_text import visible

FILE_COLUMNS = (
    "Tenant", "Id", "Status", "Region", "Platform", "Domains", "Consultant", "Current phase",
    "Tasks done", "Tasks", "Risks", "Waiting on", "Waiting since (UTC)", "Working days waiting",
    "Waiting task", "Next cutover", "Planned for (UTC)", "Cutover status", "Forecast", "Due date",
    "Original schedule", "Working days against the original schedule", "Failing checks",
    "No reliable answer", "Drift",
)  # fmt: skip

# The columns of a file with facts for staff.
STAFF_FILE_COLUMNS = frozenset({
    "Risks", "Waiting on", "Waiting since (UTC)", "Working days waiting", "Waiting task",
    "Cutover status", "Forecast", "Due date", "Original schedule",
    "Working days against the original schedule",
})  # fmt: skip


@dataclass(frozen=True)
class TenantLine:
    """One tenant of the list, from stored figures. `figures` is None until they are computed."""

    tenant: Tenant
    state: TenantState
    figures: PlanFigures | None
    risks: Sequence[ShownRisk]
    phase: Phase | None
    cutover: Cutover | None
    waiting_task: Task | None
    # Full working days of the tenant.
    waiting_days: int
    proposals: int

    @property
    def side(self) -> str:
        """The side of the task that has waited longest; empty without one."""
        is_open = self.figures is not None and not self.tenant.is_closed
        return self.figures.waiting_on if is_open and self.figures is not None else ""

    @property
    def cutover_status(self) -> CutoverStatus | None:
        """None without a cutover, and until its status is computed."""
        return getattr(self.cutover, "status", None)

    @property
    def status(self) -> str:
        if self.tenant.is_closed:
            return "Closed"
        return "All tasks done" if self.state.are_tasks_done else "In progress"


def tenant_rows(
    tenants: Sequence[Tenant], *, columns: Sequence[str], user: User, is_selectable: bool
) -> list[CachedRow]:
    """The row of each tenant, in their order. The tenants are loaded with plan and consultant.

    The row of a tenant in which the person has no staff role has no facts for staff, such as risks.
    `is_selectable`: the row begins with a box for bulk actions.
    """
    staffed = staffed_ids(user, tenants)
    found: dict[int, CachedRow] = {}
    for is_staff in (True, False):
        part = [tenant for tenant in tenants if (tenant.pk in staffed) is is_staff]
        options: dict[str, object] = {"columns": tuple(columns), "is_staff": is_staff}
        options["is_selectable"] = is_selectable
        compute = functools.partial(_compute, options=options)
        rows = cached_rows(f"tenants {options}", part, compute) if part else []
        found |= {tenant.pk: row for tenant, row in zip(part, rows, strict=True)}
    return [found[tenant.pk] for tenant in tenants]


def file_rows(tenants: Sequence[Tenant]) -> list[CachedRow]:
    """The rows of a file for staff. Their cells are in the order of FILE_COLUMNS."""
    return cached_rows("tenants, file", tenants, functools.partial(_compute, options=None))


def _compute(tenants: list[Tenant], *, options: dict[str, object] | None) -> dict[int, CachedRow]:
    now = database_time.now()
    ids = [tenant.pk for tenant in tenants]
    checked_at = oldest_runs(ids)
    template = get_template("portfolio/tenant_row.html")
    rows = {}
    for line in _lines(list(_loaded(Tenant.objects.filter(pk__in=ids))), now=now):
        tenant = line.tenant
        if options is not None and not options["is_staff"]:
            line = _for_clients(line)
        cutovers = list(tenant.plan.cutovers.all())
        changes = changes_with_time(tenant, cutovers, checked_at.get(tenant.pk), now=now)
        rows[tenant.pk] = CachedRow(
            html=template.render({"line": line, **options}) if options is not None else "",
            cells=tuple(map(_text, _cells(line))) if options is None else (),
            valid_until=min(changes),
        )
    return rows


def _for_clients(line: TenantLine) -> TenantLine:
    """The line without the facts for staff. The template shows no status of the cutover."""
    return replace(line, figures=None, risks=(), waiting_task=None, waiting_days=0, proposals=0)


def _loaded(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    cutovers = with_domains(Cutover.objects.all()).select_related("status")
    return tenants.select_related("plan__figures", "consultant").prefetch_related(
        Prefetch("plan__phases", queryset=Phase.objects.order_by("position")),
        Prefetch("plan__cutovers", queryset=cutovers),
        "domains",
        risks_prefetch(),
    )


def _lines(tenants: Sequence[Tenant], *, now: datetime) -> list[TenantLine]:
    states = tenant_states(tenants, now=now)
    proposals = open_proposal_counts(tenants)
    waiting = _longest_waiting(tenants)
    has_switched = _switched(tenants)
    calendars = calendars_of(tenants)
    return [
        _line(
            tenant,
            states[tenant.pk],
            waiting.get(tenant.plan.pk),
            _next_cutover(tenant, has_switched),
            calendars[tenant.pk],
            proposals.get(tenant.pk, 0),
            now,
        )
        for tenant in tenants
    ]


def _longest_waiting(tenants: Sequence[Tenant]) -> dict[int, Task]:
    """The task of each plan that the figures count as the longest wait, by plan id."""
    rows = Task.objects.filter(
        plan__in=[tenant.plan.pk for tenant in tenants],
        waiting_since=F("plan__figures__waiting_since"),
        waiting_on=F("plan__figures__waiting_on"),
    )
    rows = rows.select_related("phase").order_by("-position")
    fields = ("plan_id", "key", "title", "waiting_on", "waiting_since", "phase__key")
    return {task.plan_id: task for task in rows.only(*fields)}


def _switched(tenants: Sequence[Tenant]) -> set[int]:
    cutovers = Cutover.objects.filter(plan__tenant__in=tenants)
    return set(switched(cutovers).values_list("pk", flat=True))


def _next_cutover(tenant: Tenant, has_switched: Collection[int]) -> Cutover | None:
    """The first cutover whose mail has not switched, from the rows: it is never outdated."""
    cutovers = tenant.plan.cutovers.all()
    return next((each for each in cutovers if each.pk not in has_switched), None)


def _line(
    tenant: Tenant,
    state: TenantState,
    waiting: Task | None,
    cutover: Cutover | None,
    calendar: Calendar,
    proposals: int,
    now: datetime,
) -> TenantLine:
    figures: PlanFigures | None = getattr(tenant.plan, "figures", None)
    since = figures.waiting_since if figures is not None else None
    key = figures.current_phase if figures is not None else ""
    return TenantLine(
        tenant=tenant,
        state=state,
        figures=figures,
        risks=shown_risks(tenant),
        phase=next((phase for phase in tenant.plan.phases.all() if phase.key == key), None),
        cutover=cutover,
        waiting_task=waiting,
        waiting_days=int(calendar.days_between(since, now)) if since is not None else 0,
        proposals=proposals,
    )


def _cells(line: TenantLine) -> tuple[object, ...]:
    tenant, figures, cutover = line.tenant, line.figures or PlanFigures(), line.cutover
    waits = bool(line.side)
    return (
        tenant.name,
        tenant.public_id,
        line.status,
        tenant.region,
        tenant.get_platform_display(),
        len(tenant.domains.all()),
        tenant.consultant or "",
        line.phase.title if line.phase is not None else "",
        tenant.plan.tasks_complete,
        tenant.plan.tasks_total,
        " ".join(risk.sentence for risk in line.risks),
        Responsibility(line.side).label if waits else "",
        _minute(figures.waiting_since) if waits else "",
        line.waiting_days if waits else "",
        line.waiting_task.title if waits and line.waiting_task is not None else "",
        cutover.get_direction_display() if cutover is not None else "",
        _minute(cutover.planned_at) if cutover is not None else "",
        line.cutover_status.label if line.cutover_status is not None else "",
        figures.forecast_on,
        figures.due_on,
        figures.original_due_on,
        figures.slip_days,
        line.state.failing,
        line.state.unknown,
        line.state.drifts,
    )


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else ""


def _text(value: object | date | None) -> str:
    return visible(str(value)) if value is not None else ""
