"""The view that saves a task's typed fields, and confirms the task in the same step."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from onboarding.error_responses import catch_errors, errors_as_message
from onboarding.errors import ConflictingChange
from onboarding.models import Task
from onboarding.plans import services
from onboarding.plans.field_services import load_field_rows, save_fields
from onboarding.plans.forms.task_fields import TaskFieldsForm
from onboarding.plans.tenant_page import current_user
from onboarding.plans.views.tasks import after_confirmation, back_to_plan, load_task, side_in
from tenants.access import require
from tenants.models import Tenant
from tenants.permissions import Permission


@require(Permission.CONFIRM)
@require_http_methods(["GET", "POST"])
def task_fields(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    rows = load_field_rows(task, tenant)
    form = TaskFieldsForm(request.POST or None, rows=rows, tenant=tenant, key=task.key)
    if request.method == "POST" and form.is_valid() and _save(request, tenant, task, form):
        if "confirm" in request.POST and _confirm(request, public_id, task):
            return after_confirmation(request, tenant, task)
        return back_to_plan(request, tenant, task)
    status = 422 if request.method == "POST" else 200
    context = {"tenant": tenant, "task": task, "form": form}
    return render(request, "plans/task_fields_edit.html", context, status=status)


def _save(request: HttpRequest, tenant: Tenant, task: Task, form: TaskFieldsForm) -> bool:
    """Whether the values were saved; otherwise the form shows the error and the typed values."""
    user = current_user(request)
    with catch_errors() as attempt:
        save_fields(
            task,
            form.values(),
            by=user,
            actor=services.actor_for(user, tenant),
            expected=form.cleaned_data["expected"],
        )
        return True
    if isinstance(attempt.error, ConflictingChange):
        form.show_conflict()
    form.add_error(None, str(attempt.error))
    return False


def _confirm(request: HttpRequest, public_id: str, task: Task) -> bool:
    """Whether the task was confirmed. A refusal is a message: the values are saved already."""
    with errors_as_message(request):
        services.confirm_task(task, by=current_user(request), side=side_in(request, public_id))
        return True
    messages.info(request, "The values were saved.")
    return False
