"""The plan, the client's own steps, and what people say of tasks."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from checks.models import Check
from checks.services import attend
from checks.tasks import look_now
from onboarding.blueprints.on_record import version_note
from onboarding.cutovers.records import RecordToPublish, records_for
from onboarding.errors import NotYours, OnboardingError
from onboarding.evidence_files import files_by_task
from onboarding.models import CLOSURE, Responsibility, Task
from onboarding.plans import task_acts
from onboarding.plans.assigning import assignable
from onboarding.plans.dates import today_for
from onboarding.plans.judging import Ground
from onboarding.plans.proof import Subject
from onboarding.plans.rows import PhaseRow, TaskRow, client_steps
from onboarding.sheets.reading import sheets_by_task
from onboarding.talk import comments_by_task, open_questions
from onboarding.views.shared import (
    LOOKS,
    PULSE,
    PULSE_IN_WINDOW,
    TenantPage,
    ask_for_look,
    load_page,
    revision_of,
    show,
    signed_in,
)
from tenants.access import act, tenant_or_404
from tenants.models import ActivityLine, Tenant
from tenants.permissions import Act
from tenants.throttle import throttled

_PULSES = {str(seconds): seconds for seconds in (PULSE_IN_WINDOW, PULSE)}


@act(Act.READ)
@require_GET
def plan_show(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    phase = _chosen_phase(page, request.GET.get("phase", ""))
    context = {
        "page": page,
        "phase": phase,
        "tab": "plan",
        "records": _records(page, phase.rows),
        "files": files_by_task(page.plan),
        "sheets": sheets_by_task(page.plan),
        "comments": comments_by_task(page.plan, is_staff=page.is_staff),
        "responsibilities": Responsibility.choices,
        "assignable": assignable(page.tenant, signed_in(request)) if page.side else [],
        "today": today_for(page.tenant),
        "version": version_note(page.plan) if page.may_steer else None,
    }
    return show(request, "onboarding/plan_show.html", "plan", context)


def _chosen_phase(page: TenantPage, key: str) -> PhaseRow:
    """The phase asked for, or else the first that still has something to do."""
    for row in page.phases:
        if row.phase.key == key:
            return row
    if key:
        raise Http404("No such phase.")
    open_phases = [row for row in page.phases if row.phase.tasks_complete < row.phase.tasks_total]
    return open_phases[0] if open_phases else page.phases[0]


def _records(page: TenantPage, rows: Iterable[TaskRow]) -> dict[str, list[RecordToPublish]]:
    """What to publish, by task, for the subjects that are not proven yet."""
    return {
        row.task.key: [
            record for subject in row.open_subjects for record in records_for(subject, page.region)
        ]
        for row in rows
        if row.open_subjects
    }


@act(Act.READ)
@require_GET
def steps(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    mine = client_steps(page.rows)
    context = {
        "page": page,
        "steps": mine,
        "questions": open_questions(page.plan, side=Responsibility.CLIENT),
        "tab": "steps",
        "today": today_for(page.tenant),
        "records": _records(page, mine.now),
        "sheets": sheets_by_task(page.plan),
    }
    return show(request, "onboarding/steps.html", "steps", context)


@act(Act.READ)
@require_GET
@never_cache
def revision(request: HttpRequest, public_id: str) -> HttpResponse:
    """The plan's revision, for open pages: when it grew, they fetch themselves again.

    A page that asks is one that somebody has open, so the checks are told that somebody waits.
    """
    tenant = tenant_or_404(request, public_id)
    now = timezone.now()
    if not tenant.is_closed:
        attend(tenant, now=now)
    pulse = _PULSES.get(request.GET.get("pulse", ""), 0)
    said = revision_of(tenant.plan, pulse=pulse, now=now)
    return HttpResponse(said, content_type="text/plain")


@act(Act.READ)
@require_GET
def activity(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    lines = ActivityLine.objects.filter(tenant=page.tenant).select_related("actor")[:200]
    context = {"page": page, "lines": lines, "tab": "activity"}
    return show(request, "onboarding/activity.html", "activity", context)


# --- Acts


def load_task(request: HttpRequest, public_id: str, task_id: str) -> tuple[Tenant, Task]:
    tenant = tenant_or_404(request, public_id)
    task = get_object_or_404(
        Task.objects.select_related("plan__tenant"), plan__tenant=tenant, public_id=task_id
    )
    return tenant, task


def _checks_of(task: Task, tenant: Tenant) -> list[Check]:
    subjects: list[Subject] = list(Ground.of(tenant).evidence(task).subjects)
    return [subject.check for subject in subjects if subject.check is not None]


def back_to_plan(request: HttpRequest, tenant: Tenant, task: Task | None = None) -> HttpResponse:
    """To the page the act came from: the client's steps, or the plan at the task's phase."""
    if "steps" in (request.POST.get("from"), request.GET.get("from")):
        return redirect("onboarding:steps", public_id=tenant.public_id)
    response = redirect("onboarding:plan-show", public_id=tenant.public_id)
    if task is not None:
        response["Location"] += f"?phase={task.phase.key}#{task.key}"
    return response


@act(Act.CONFIRM)
@require_POST
def task_confirm(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    if task.key == CLOSURE:
        return redirect("onboarding:sign-off", public_id=public_id)
    user = signed_in(request)
    try:
        side, seen = task_acts.side_of(user, tenant), request.POST.get("seen", "")
        task_acts.confirm_task(task, by=user, side=side, seen=seen)
    except NotYours as error:
        raise PermissionDenied(str(error)) from error
    except OnboardingError as error:
        messages.error(request, str(error))
    # A claim triggers a look at once: the proof should not keep anybody waiting.
    look_now(_checks_of(task, tenant))
    return back_to_plan(request, tenant, task)


@act(Act.CONFIRM)
@require_POST
def task_withdraw(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    user = signed_in(request)
    try:
        task_acts.withdraw_confirmation(task, by=user, side=task_acts.side_of(user, tenant))
    except NotYours as error:
        raise PermissionDenied(str(error)) from error
    except OnboardingError as error:
        messages.error(request, str(error))
    return back_to_plan(request, tenant, task)


@act(Act.LOOK)
@require_POST
@throttled("look", LOOKS)
def task_look(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    ask_for_look(request, tenant, _checks_of(task, tenant), of=task.title)
    return back_to_plan(request, tenant, task)


@act(Act.STEER)
@require_POST
def task_responsibility(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    chosen = request.POST.get("responsibility", "")
    if chosen not in Responsibility.values:
        messages.error(request, "Choose Mimecast, the client, or both. Nothing was changed.")
        return back_to_plan(request, tenant, task)
    try:
        seen = request.POST.get("seen", "")
        task_acts.set_responsibility(task, chosen, by=signed_in(request), seen=seen)
    except OnboardingError as error:
        messages.error(request, str(error))
    return back_to_plan(request, tenant, task)
