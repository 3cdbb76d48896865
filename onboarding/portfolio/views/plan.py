"""The plan page, My tasks, the revision of open pages and the activity log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from checks.services import prioritize_viewed
from onboarding.collaboration.comments import comments_by_task, open_questions
from onboarding.collaboration.evidence_files import files_by_task
from onboarding.cutovers.queries import needs_vote_of, phone_on_call
from onboarding.lifecycle.delivery_hosts import DeliveryHostProposal, proposed_delivery_host
from onboarding.lifecycle.value_entries import may_decide, proposals_of, values_by_task
from onboarding.models import Responsibility
from onboarding.plan_templates.instructions import instructions_of
from onboarding.plan_templates.registry import plan_and_newer_version
from onboarding.plans.assignment import assignable
from onboarding.plans.client_tasks import client_tasks, confirmed_row
from onboarding.plans.forms.task_fields import TaskFieldsForm
from onboarding.plans.records_to_publish import RecordToPublish, records_for
from onboarding.plans.rows import PhaseRow, TaskRow
from onboarding.plans.task_fields import today_for
from onboarding.plans.tenant_page import (
    TenantPage,
    current_user,
    load_page,
    requested_refresh,
    revision_of,
    show,
)
from onboarding.portfolio.views.closed_home import closed_home
from onboarding.requirements.queries import sheets_by_task
from tenants import database_time
from tenants.access import require, tenant_or_404
from tenants.models import ActivityLine, User
from tenants.permissions import Permission


@require(Permission.VIEW)
@require_GET
def plan_show(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    phase = _chosen_phase(page, request.GET.get("phase", ""))
    context = {
        "page": page,
        "phase": phase,
        "tab": "plan",
        "records": _records(page, phase.rows),
        "instructions": instructions_of(page.plan, phase.rows, page.plan_context, page.region),
        "field_forms": _field_forms(page, phase.rows),
        "values": values_by_task(page, phase.rows),
        "proposals": proposals_of(page),
        "may_decide": may_decide(page),
        "files": files_by_task(page.plan),
        "sheets": sheets_by_task(page.plan),
        "comments": comments_by_task(page.plan, is_staff=page.is_staff),
        "responsibilities": Responsibility.choices,
        "assignable": assignable(page.tenant, current_user(request)) if page.side else [],
        "today": today_for(page.tenant),
        "version": plan_and_newer_version(page.plan) if page.may_manage_plan else None,
    }
    return show(request, "portfolio/plan_show.html", "plan", context)


def _chosen_phase(page: TenantPage, key: str) -> PhaseRow:
    """The requested phase, or the first phase with open tasks."""
    for row in page.phases:
        if row.phase.key == key:
            return row
    if key:
        raise Http404("No such phase.")
    open_phases = [row for row in page.phases if row.phase.tasks_complete < row.phase.tasks_total]
    return open_phases[0] if open_phases else page.phases[0]


def _records(page: TenantPage, rows: Iterable[TaskRow]) -> dict[str, list[RecordToPublish]]:
    """The records to publish by task, for the subjects that are not verified yet.

    None in a closed tenant: its plan asks for no change.
    """
    if page.tenant.is_closed:
        return {}
    return {
        row.task.key: [
            record for subject in row.open_subjects for record in records_for(subject, page.region)
        ]
        for row in rows
        if row.open_subjects
    }


def _field_forms(page: TenantPage, rows: Iterable[TaskRow]) -> dict[int, TaskFieldsForm]:
    """The forms of the typed fields that the reader may change, by task."""
    return {
        row.task.pk: TaskFieldsForm(rows=row.field_rows, tenant=page.tenant, key=row.task.key)
        for row in rows
        if row.can_set_fields
    }


@require(Permission.VIEW)
@require_GET
def my_tasks(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    if page.tenant.is_closed:
        return closed_home(request, page)
    mine = client_tasks(page.rows, cutovers=page.cutovers, zone=ZoneInfo(page.tenant.time_zone))
    confirmed = request.GET.get("confirmed", "")
    context = {
        "page": page,
        "client_tasks": mine,
        "confirmed": confirmed_row(page.rows, confirmed, current_user(request)),
        "delivery_host": _delivery_host(page),
        "may_confirm": page.access.may(Permission.CONFIRM),
        "questions": open_questions(page.plan, side=Responsibility.CLIENT),
        "asked": open_questions(page.plan, side=Responsibility.MIMECAST),
        **_next_cutover(page, current_user(request)),
        "tab": "client-tasks",
        "today": today_for(page.tenant),
        "records": _records(page, mine.now),
        "instructions": instructions_of(page.plan, mine.now, page.plan_context, page.region),
        "field_forms": _field_forms(page, mine.now),
        "values": values_by_task(page, mine.now),
        "may_decide": may_decide(page),
        "sheets": sheets_by_task(page.plan),
    }
    return show(request, "portfolio/client_task_list.html", "client-tasks", context)


def _delivery_host(page: TenantPage) -> DeliveryHostProposal | None:
    facts = page.plan_context
    return proposed_delivery_host(page.tenant, facts.domains, facts.hosts)


def _next_cutover(page: TenantPage, user: User) -> dict[str, Any]:
    """The first cutover whose planned window is not over, with its state; empty without one."""
    now = database_time.now()
    cutover = next((each for each in page.cutovers if now < each.ends_at), None)
    if cutover is None:
        return {}
    is_split = cutover.direction in page.split_directions
    is_open = cutover.planned_at <= now
    return {
        "next_cutover": cutover,
        "is_window_open": is_open,
        "is_split": is_split,
        "needs_vote": not is_open and needs_vote_of(cutover, user),
        "consultant_phone": phone_on_call(cutover, page.tenant.consultant),
    }


@require(Permission.VIEW)
@require_GET
@never_cache
def revision(request: HttpRequest, public_id: str) -> HttpResponse:
    """The revision of the plan. An open page reloads itself when the revision grows.

    Each request shows that a page is open, so the checks of the plan get a higher priority.
    """
    tenant = tenant_or_404(request, public_id)
    now = database_time.now()
    if not tenant.is_closed:
        prioritize_viewed(tenant, now=now)
    content = revision_of(tenant.plan, refresh_seconds=requested_refresh(request), now=now)
    return HttpResponse(content, content_type="text/plain")


@require(Permission.VIEW)
@require_GET
def activity(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    lines = ActivityLine.objects.filter(tenant=page.tenant).select_related("actor")[:200]
    context = {"page": page, "lines": lines, "tab": "activity"}
    return show(request, "portfolio/activity_list.html", "activity", context)
