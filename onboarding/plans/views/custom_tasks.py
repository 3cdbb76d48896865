"""Views that add, change and remove the custom tasks of a plan."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.error_responses import catch_errors, errors_as_message, errors_on_form
from onboarding.errors import ConflictingChange
from onboarding.models import Task
from onboarding.plans import custom_tasks
from onboarding.plans.forms.custom_tasks import CustomTaskForm
from onboarding.plans.tenant_page import current_user
from onboarding.plans.views.tasks import back_to_plan, load_task
from tenants.access import require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission


@require(Permission.MANAGE_PLAN)
@require_http_methods(["GET", "POST"])
def custom_task_add(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    initial = {"phase": request.GET.get("phase", ""), "responsibility": "client"}
    form = CustomTaskForm(request.POST or None, plan=tenant.plan, initial=initial)
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            made = custom_tasks.add_task(tenant.plan, form.content(), by=current_user(request))
            return back_to_plan(request, tenant, made)
    return _show(request, tenant, form, None)


@require(Permission.MANAGE_PLAN)
@require_http_methods(["GET", "POST"])
def custom_task_edit(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    if not task.is_custom:
        messages.error(
            request, "This task comes from the plan template. Change it in the template."
        )
        return back_to_plan(request, tenant, task)
    content = custom_tasks.content_of(task)
    form = CustomTaskForm(
        request.POST or None,
        plan=task.plan,
        initial=asdict(content) | {"expected": content.fingerprint},
    )
    if request.method == "POST" and form.is_valid() and _change(request, task, form):
        return back_to_plan(request, tenant, Task.objects.get(pk=task.pk))
    return _show(request, tenant, form, task)


def _change(request: HttpRequest, task: Task, form: CustomTaskForm) -> bool:
    """Whether it was saved; otherwise the form shows the reason and the typed values."""
    with catch_errors() as attempt:
        custom_tasks.change_task(
            task, form.content(), expected=form.cleaned_data["expected"], by=current_user(request)
        )
        return True
    if isinstance(attempt.error, ConflictingChange):
        now = Task.objects.select_related("phase").filter(pk=task.pk).first()
        form.show_conflict(custom_tasks.content_of(now) if now is not None else None)
        form.add_error(None, str(attempt.error))
    else:
        form.add_error("is_per_domain", str(attempt.error))
    return False


@require(Permission.MANAGE_PLAN)
@require_POST
def custom_task_remove(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    with errors_as_message(request):
        custom_tasks.remove_task(task, by=current_user(request))
        messages.success(request, f"“{task.title}” was removed from the plan.")
    return back_to_plan(request, tenant, task)


def _show(
    request: HttpRequest, tenant: Tenant, form: CustomTaskForm, task: Task | None
) -> HttpResponse:
    status = 422 if request.method == "POST" else 200
    context = {"tenant": tenant, "task": task, "form": form}
    return render(request, "plans/custom_task_edit.html", context, status=status)
