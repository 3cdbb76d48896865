"""Views of one task: confirm, withdraw, run its checks and set the responsible side."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from checks.run_requests import with_run_limit
from onboarding.error_responses import errors_as_message, errors_on_form, form_page
from onboarding.models import Task, TaskRole
from onboarding.plans import services
from onboarding.plans.forms.task_rows import ResponsibilityForm
from onboarding.plans.recipients import side_of_role
from onboarding.plans.task_checks import checks_of_task, confirm_and_check
from onboarding.plans.tenant_page import (
    current_user,
    request_run,
)
from tenants.access import access_or_404, require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission


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
    return side_of_role(access.role, is_closed=access.tenant.is_closed)


def back_to_plan(request: HttpRequest, tenant: Tenant, task: Task | None = None) -> HttpResponse:
    """Redirect to the page of the form: the client's tasks, or the plan at the task's phase."""
    if "my-tasks" in (request.POST.get("from"), request.GET.get("from")):
        return redirect("onboarding:my-tasks", public_id=tenant.public_id)
    response = redirect("onboarding:plan-show", public_id=tenant.public_id)
    if task is not None:
        response["Location"] += f"?phase={task.phase.key}#{task.key}"
    return response


def task_form_page(
    request: HttpRequest,
    tenant: Tenant,
    task: Task,
    form: forms.Form,
    title: str,
    expected: str | None = None,
) -> HttpResponse:
    """A refused form of the task's row. `expected` is the value that its next attempt compares."""
    return form_page(
        request,
        form,
        title=title,
        about=f"{task.title} · {tenant}",
        button="Save",
        back=back_to_plan(request, tenant, task)["Location"],
        **{"expected": expected, "from": request.POST.get("from")},
    )


def after_confirmation(request: HttpRequest, tenant: Tenant, task: Task) -> HttpResponse:
    """Redirect to the page of the form. The client's page answers with a notice and its undo."""
    response = back_to_plan(request, tenant, task)
    if request.POST.get("from") == "my-tasks":
        response["Location"] += f"?confirmed={task.public_id}"
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
        confirm_and_check(task, tenant, by=user, side=side, expected=expected)
        return after_confirmation(request, tenant, task)
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
@with_run_limit
def task_check(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    request_run(request, tenant, checks_of_task(task, tenant), of=task.title)
    return back_to_plan(request, tenant, task)


@require(Permission.MANAGE_PLAN)
@require_POST
def task_responsibility(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    form, expected = ResponsibilityForm(request.POST), request.POST.get("expected", "")
    if form.is_valid():
        chosen = form.cleaned_data["responsibility"]
        with errors_on_form(form, "responsibility"):
            services.set_responsibility(task, chosen, by=current_user(request), expected=expected)
            return back_to_plan(request, tenant, task)
        # The sentence names the current side, which the next attempt compares.
        expected = Task.objects.values_list("responsibility", flat=True).get(pk=task.pk)
    return task_form_page(request, tenant, task, form, "Responsible side", expected)
