"""Views of one task: confirm, withdraw, run its checks and set the responsible side."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from checks.models import Check
from checks.tasks import run_now
from onboarding.error_responses import errors_as_message
from onboarding.models import COMPLETE_STATUSES, Responsibility, Task, TaskRole
from onboarding.plans import services
from onboarding.plans.proof import checks_of_kinds
from onboarding.plans.tasks import queue_related_runs
from onboarding.plans.tenant_page import (
    RUN_RATE,
    current_user,
    request_run,
)
from tenants.access import access_or_404, require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.throttle import throttled


def load_task(request: HttpRequest, public_id: str, task_id: str) -> tuple[Tenant, Task]:
    tenant = tenant_or_404(request, public_id)
    task = get_object_or_404(
        Task.objects.select_related("plan", "phase", "assignee"),
        plan__tenant=tenant,
        public_id=task_id,
    )
    # The tenant of the request, so that no view reads it twice.
    task.plan.tenant = tenant
    return tenant, task


def side_in(request: HttpRequest, public_id: str) -> str:
    """The side that the user of the request acts for; the request's access is already loaded."""
    access = access_or_404(request, public_id)
    return services.side_of_role(access.role, is_closed=access.tenant.is_closed)


def _checks_of(task: Task, tenant: Tenant) -> QuerySet[Check]:
    """The checks that verify or support the task. No query for a task without checks."""
    kinds = [*task.check_kinds, *task.evidence_kinds]
    return checks_of_kinds(task, kinds, tenant) if kinds else Check.objects.none()


def back_to_plan(request: HttpRequest, tenant: Tenant, task: Task | None = None) -> HttpResponse:
    """Redirect to the page of the form: the client's tasks, or the plan at the task's phase."""
    if "my-tasks" in (request.POST.get("from"), request.GET.get("from")):
        return redirect("onboarding:my-tasks", public_id=tenant.public_id)
    response = redirect("onboarding:plan-show", public_id=tenant.public_id)
    if task is not None:
        response["Location"] += f"?phase={task.phase.key}#{task.key}"
    return response


@require(Permission.CONFIRM)
@require_POST
def task_confirm(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    if task.role == TaskRole.CLOSURE:
        return redirect("onboarding:closing", public_id=public_id)
    user = current_user(request)
    with errors_as_message(request):
        side, expected = side_in(request, public_id), request.POST.get("expected", "")
        status = services.confirm_task(task, by=user, side=side, expected=expected)
        # Run its checks at once: the proof follows the confirmation without a delay, and a related
        # check does not contradict the confirmation with an answer from before it.
        if status not in COMPLETE_STATUSES and task.check_kinds:
            run_now(checks_of_kinds(task, [*task.check_kinds, *task.evidence_kinds], tenant))
        elif task.evidence_kinds:
            queue_related_runs(task)
    return back_to_plan(request, tenant, task)


@require(Permission.CONFIRM)
@require_POST
def task_withdraw(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    user = current_user(request)
    with errors_as_message(request):
        services.withdraw_confirmation(task, by=user, side=side_in(request, public_id))
    return back_to_plan(request, tenant, task)


@require(Permission.RUN_CHECKS)
@require_POST
@throttled("check-run", RUN_RATE)
def task_check(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    request_run(request, tenant, _checks_of(task, tenant), of=task.title)
    return back_to_plan(request, tenant, task)


@require(Permission.MANAGE_PLAN)
@require_POST
def task_responsibility(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    chosen = request.POST.get("responsibility", "")
    if chosen not in Responsibility.values:
        messages.error(request, "Choose Mimecast, the client, or both. Nothing was changed.")
        return back_to_plan(request, tenant, task)
    with errors_as_message(request):
        expected = request.POST.get("expected", "")
        services.set_responsibility(task, chosen, by=current_user(request), expected=expected)
    return back_to_plan(request, tenant, task)
