"""The page of a share link, for a person without an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.cutovers import change_sheets
from onboarding.models import Cutover, CutoverDomain, Plan, ShareLink, Task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import ProofSubject
from onboarding.plans.queries import tasks_of
from onboarding.plans.records_to_publish import RecordToPublish, records_for
from onboarding.plans.rows import TaskRow, Viewer, rows_of
from tenants import database_time
from tenants.models import Tenant
from tenants.regions import Region


@dataclass(frozen=True)
class SharedTask:
    """One task on the page. A task with open dependencies shows no record to publish.

    `removes`: values that publishing these records would remove, so the change sheet asks for a
    confirmation. `not_before`: the domains whose window has not begun, with its start.
    """

    task: Task
    subjects: tuple[ProofSubject, ...]
    records: tuple[RecordToPublish, ...]
    must_wait: bool
    removes: tuple[str, ...] = ()
    not_before: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True)
class SharedPage:
    """The content of a share link page."""

    link: ShareLink
    tenant: Tenant
    items: tuple[SharedTask, ...]

    @property
    def checks(self) -> list[Check]:
        found = [s.check for item in self.items for s in item.subjects if s.check is not None]
        return list({check.pk: check for check in found}.values())

    @property
    def revision(self) -> str:
        """Changes whenever the shown content may have changed, and reveals nothing else."""
        runs = sum(check.latest.runs for check in self.checks if check.latest is not None)
        settled = sum(1 for check in self.checks if check.settled_verdict)
        complete = sum(item.task.is_complete for item in self.items)
        waiting = sum(len(item.not_before) for item in self.items)
        return f"{runs}-{settled}-{complete}-{waiting}"


def shared_page_of(link: ShareLink) -> SharedPage:
    """The task of the link, or the tasks of its domain."""
    tenant = link.plan.tenant
    plan_context = PlanContext.of(tenant)
    rows = rows_of(list(tasks_of(link.plan)), plan_context, Viewer())
    ahead = _windows_ahead(link.plan)
    items = [_item(row, _subjects_for(row, link), plan_context, ahead) for row in rows]
    return SharedPage(link, tenant, tuple(item for item in items if item is not None))


def _subjects_for(row: TaskRow, link: ShareLink) -> Sequence[ProofSubject] | None:
    """The visible subjects of the task, or None if the link does not show the task."""
    if row.task.is_group or not row.task.applies:
        return None
    if link.task_id is not None:
        return row.evidence.subjects if row.task.pk == link.task_id else None
    of_domain = [
        s
        for s in row.evidence.subjects
        if s.check is not None and s.check.domain_id == link.domain_id
    ]
    return of_domain or None


def _windows_ahead(plan: Plan) -> dict[int, datetime]:
    """The start of the window of the inbound switch, by domain."""
    chosen = CutoverDomain.objects.filter(
        cutover__plan=plan,
        direction=Cutover.Direction.INBOUND,
        cutover__planned_at__gt=database_time.now(),
    )
    return dict(chosen.values_list("domain_id", "cutover__planned_at"))


def _item(
    row: TaskRow,
    subjects: Sequence[ProofSubject] | None,
    plan_context: PlanContext,
    ahead: Mapping[int, datetime],
) -> SharedTask | None:
    if subjects is None:
        return None
    # A hard gate that is passed too early loses mail, an MX record above all.
    must_wait = row.task.is_hard_gate and bool(row.open_dependencies) and not row.task.is_complete
    wanted = [] if must_wait else [s for s in subjects if s in row.open_subjects]
    region = plan_context.tenant.region_values
    records = tuple(record for subject in wanted for record in records_for(subject, region))
    away = _removed_values(wanted, region, plan_context.confirmed_hosts)
    moves = [s.check for s in wanted if s.kind is CheckKind.MX and s.check is not None]
    begins = ((check.subject, ahead.get(check.domain_id or 0)) for check in moves)
    not_before = tuple((name, at) for name, at in begins if at is not None)
    return SharedTask(row.task, tuple(subjects), records, must_wait, away, not_before)


def _removed_values(
    wanted: Sequence[ProofSubject], region: Region, hosts: set[str]
) -> tuple[str, ...]:
    """The removed values that the change sheets of these subjects want confirmed."""
    sheets = [
        change_sheets.build_change_sheet(subject, region, hosts=hosts)
        for subject in wanted
        if subject.kind in (CheckKind.MX, CheckKind.SPF)
    ]
    return tuple(value for sheet in sheets if sheet is not None for value in sheet.unknown)
