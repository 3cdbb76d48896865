"""The common part of a tenant's pages: access, the plan's rows, and page or fragment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from checks.models import Check, SubmittedExport
from checks.run_requests import request_runs
from checks.submitted_exports import exports_behind
from onboarding.models import ClosingPack, Cutover, Plan
from onboarding.models.files import LIFETIME_DAYS
from onboarding.plans import planned_cutovers
from onboarding.plans.current_state import (
    CurrentState,
    TenantState,
    current_state,
    drift_counts,
    tenant_state,
)
from onboarding.plans.domain_progress import ProgressByTask, progress_by_task
from onboarding.plans.early_lockdown import EarlyLockdown, early_lockdown
from onboarding.plans.export_requests import ReasonForExport, export_request
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.planned_cutovers import in_none, next_cutover
from onboarding.plans.queries import phases_with_tasks
from onboarding.plans.rows import PhaseRow, TaskRow, Viewer, phase_rows, rows_of
from onboarding.plans.safe_times import LazySafeTimes
from onboarding.plans.services import actor_of
from onboarding.plans.transitions import Actor
from tenants import database_time
from tenants.access import TenantAccess, access_or_404
from tenants.models import Domain, Tenant, User
from tenants.permissions import Permission, may
from tenants.regions import Region

# The refresh interval of pages that show the current state: in an open window, and otherwise.
WINDOW_REFRESH_SECONDS, REFRESH_SECONDS = 15, 300
_REFRESH_SECONDS = {str(seconds): seconds for seconds in (WINDOW_REFRESH_SECONDS, REFRESH_SECONDS)}


@dataclass(frozen=True)
class TenantPage:
    """The data of one tenant for its pages. Each part is read once, at its first use."""

    tenant: Tenant
    plan: Plan
    actor: Actor
    access: TenantAccess

    @property
    def side(self) -> str:
        return self.actor.side

    @property
    def region(self) -> Region:
        return self.tenant.region_values

    @cached_property
    def domains(self) -> list[Domain]:
        return list(self.tenant.domains.all())

    @cached_property
    def _progress(self) -> ProgressByTask:
        return progress_by_task(self.tenant)

    @cached_property
    def plan_context(self) -> PlanContext:
        return PlanContext.of(self.tenant, self._progress, domains=self.domains)

    @cached_property
    def _safety(self) -> LazySafeTimes:
        return LazySafeTimes(self.tenant, self.plan_context.checks, now=database_time.now())

    @cached_property
    def cutovers(self) -> list[Cutover]:
        return list(planned_cutovers.with_domains(self.plan.cutovers.all()))

    @cached_property
    def _rows(self) -> tuple[list[PhaseRow], list[TaskRow]]:
        phases, tasks = phases_with_tasks(self.plan)
        directions = frozenset(cutover.direction for cutover in self.cutovers)
        viewer = Viewer(self.actor, self._safety, self._progress, directions)
        rows = rows_of(tasks, self.plan_context, viewer)
        return phase_rows(phases, rows), rows

    @property
    def phases(self) -> list[PhaseRow]:
        """The phases with their rows."""
        return self._rows[0]

    @property
    def rows(self) -> list[TaskRow]:
        """The rows of all tasks in the order of the plan."""
        return self._rows[1]

    @cached_property
    def early_lockdown(self) -> EarlyLockdown | None:
        context = self.plan_context
        return early_lockdown(self.tenant, context.checks, self._safety, now=context.now)

    @property
    def is_staff(self) -> bool:
        return self.access.role is not None and self.access.role.is_staff

    @property
    def may_comment(self) -> bool:
        return self.access.may(Permission.COMMENT)

    @property
    def may_remind(self) -> bool:
        return self.access.may(Permission.CONFIRM)

    @property
    def may_edit_contacts(self) -> bool:
        return self.access.may(Permission.EDIT_CONTACTS)

    @property
    def may_manage_plan(self) -> bool:
        return self.access.may(Permission.MANAGE_PLAN)

    @property
    def may_invite(self) -> bool:
        return self.access.may(Permission.INVITE)

    @property
    def may_manage_people(self) -> bool:
        return self.access.may(Permission.MANAGE_PEOPLE)

    @property
    def may_share(self) -> bool:
        return self.access.may(Permission.SHARE)

    @property
    def share_link_days(self) -> tuple[int, ...]:
        return LIFETIME_DAYS

    @property
    def may_view_share_links(self) -> bool:
        """A user who may share also sees the links of a closed tenant."""
        return may(self.access.role, Permission.SHARE)

    @property
    def may_use_lab(self) -> bool:
        return self.access.may(Permission.USE_LAB)

    @property
    def may_add_files(self) -> bool:
        return self.access.may(Permission.ADD_FILE)

    @property
    def may_export(self) -> bool:
        return self.access.may(Permission.EXPORT_TENANT)

    @property
    def may_archive(self) -> bool:
        return self.access.may(Permission.ARCHIVE_TENANT)

    @property
    def may_download_closing_pack(self) -> bool:
        return self.access.may(Permission.DOWNLOAD_CLOSING_PACK)

    @cached_property
    def closing_pack(self) -> ClosingPack | None:
        """The newest closing pack that is ready, for a reader who may download it."""
        if self.tenant.completed_at is None or not self.may_download_closing_pack:
            return None
        return ClosingPack.objects.filter(tenant=self.tenant, ready_at__isnull=False).first()

    @property
    def may_close(self) -> bool:
        return self.access.may(Permission.CLOSE_TENANT)

    @property
    def may_erase(self) -> bool:
        return self.access.may(Permission.ERASE_TENANT)

    @property
    def may_manage_webhooks(self) -> bool:
        return self.access.may(Permission.MANAGE_WEBHOOKS)

    @property
    def may_offboard(self) -> bool:
        return self.may_export or self.may_close or self.may_erase

    @cached_property
    def exports(self) -> dict[str, SubmittedExport]:
        """The exports behind the newest answers, by public id. No query without such a check."""
        checks = [check for check in self.plan_context.checks if check.is_of_source]
        return exports_behind(checks) if checks else {}

    @cached_property
    def export_requests(self) -> dict[str, ReasonForExport | None]:
        """The reason for a new export of each source that has supplied facts, by its key."""
        switched_at = self.plan_context.switched_at
        requests: dict[str, ReasonForExport | None] = {}
        for check in self.plan_context.checks:
            latest = check.latest if check.is_of_source else None
            origin = latest.evidence.get("export") if latest is not None else None
            if origin:
                obtained_at = datetime.fromisoformat(origin["obtained_at"])
                reason = export_request(obtained_at, switched_at, now=self.plan_context.now)
                requests[origin["source"]] = reason
        return requests

    def state_of(self, check: Check) -> CurrentState:
        """The current state of a check, as the plan's rows show it."""
        context = self.plan_context
        since = context.drifted_since.get(check.pk)
        return current_state(check, now=context.now, drifted_since=since)

    @cached_property
    def state(self) -> TenantState:
        """The current state of the tenant, from which every headline derives."""
        states = [(check, self.state_of(check)) for check in self.plan_context.checks]
        drifts = drift_counts([self.tenant]).get(self.tenant.pk, 0)
        return tenant_state(self.tenant, self.plan, states, drifts=drifts)

    @property
    def next_cutover(self) -> Cutover | None:
        return next_cutover(self.cutovers, now=database_time.now())

    @property
    def head_cutovers(self) -> list[Cutover]:
        """The cutovers in the head of a page: no window of a closed tenant lies ahead."""
        closed_at = self.tenant.closed_at
        return [c for c in self.cutovers if closed_at is None or c.planned_at <= closed_at]

    @property
    def split_directions(self) -> set[str]:
        """The directions with several cutovers: pages name the domains of each."""
        planned = [cutover.direction for cutover in self.cutovers]
        return {direction for direction in planned if planned.count(direction) > 1}

    def domains_in_none(self, direction: str) -> list[Domain]:
        """The domains that no cutover of the direction covers yet."""
        tasks = {row.task.key: row.task for row in self.rows}
        return in_none(
            direction, tasks, self.plan_context.domains, self.plan_context.exempt, self.cutovers
        )


def revision_of(plan: Plan, *, refresh_seconds: int, now: datetime) -> str:
    """The revision that an open page compares to decide whether it is out of date."""
    return revision_text(plan.revision, refresh_seconds=refresh_seconds, now=now)


def revision_text(revision: int, *, refresh_seconds: int, now: datetime) -> str:
    """The text of `revision_of`, from the revision of the plan.

    With `refresh_seconds` it also changes after that many seconds: a run that changes nothing, or
    that is missing, raises no revision of the plan.
    """
    return (
        f"{revision}.{int(now.timestamp()) // refresh_seconds}"
        if refresh_seconds
        else str(revision)
    )


def requested_refresh(request: HttpRequest) -> int:
    """The refresh interval that an open page requests, in seconds; 0 for any other number."""
    return _REFRESH_SECONDS.get(request.GET.get("refresh_seconds", ""), 0)


def current_user(request: HttpRequest) -> User:
    return cast(User, request.user)


def load_page(request: HttpRequest, public_id: str) -> TenantPage:
    """The tenant's page for this reader; 404 to strangers."""
    access = access_or_404(request, public_id)
    tenant = access.tenant
    actor = actor_of(access.role, current_user(request), is_closed=tenant.is_closed)
    return TenantPage(tenant, tenant.plan, actor, access)


def show(request: HttpRequest, template: str, fragment: str, context: Any) -> HttpResponse:
    """Render the page, or the fragment of it that htmx requested."""
    is_fragment = bool(getattr(request, "htmx", False))
    response = render(request, f"{template}#{fragment}" if is_fragment else template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def request_run(request: HttpRequest, tenant: Tenant, checks: Iterable[Check], *, of: str) -> None:
    """Run the checks now, and record the user in the activity log."""
    request_runs(tenant, checks, by=current_user(request), of=of)
