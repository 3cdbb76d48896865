"""Steps of a tenant's own: adding, changing and removing them from the plan's page."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.forms.own_tasks import OwnTaskForm
from onboarding.models import Task
from onboarding.plans import own_tasks
from onboarding.views.plan import back_to_plan, load_task
from onboarding.views.shared import signed_in
from tenants.access import act, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Act


@act(Act.STEER)
@require_http_methods(["GET", "POST"])
def own_task_add(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    initial = {"phase": request.GET.get("phase", ""), "responsibility": "client"}
    form = OwnTaskForm(request.POST or None, plan=tenant.plan, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = own_tasks.add_task(tenant.plan, form.wording(), by=signed_in(request))
        except OnboardingError as error:
            form.add_error(None, str(error))
        else:
            return back_to_plan(request, tenant, made)
    return _show(request, tenant, form, None)


@act(Act.STEER)
@require_http_methods(["GET", "POST"])
def own_task_edit(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    if not task.is_own:
        messages.error(request, "This step comes from the plan template: it is changed there.")
        return back_to_plan(request, tenant, task)
    wording = own_tasks.wording_of(task)
    form = OwnTaskForm(
        request.POST or None, plan=task.plan, initial=asdict(wording) | {"seen": wording.mark}
    )
    if request.method == "POST" and form.is_valid() and _change(request, task, form):
        return back_to_plan(request, tenant, Task.objects.get(pk=task.pk))
    return _show(request, tenant, form, task)


def _change(request: HttpRequest, task: Task, form: OwnTaskForm) -> bool:
    """Whether it was saved; otherwise the form says why, with everything typed in it."""
    try:
        own_tasks.change_task(
            task, form.wording(), seen=form.cleaned_data["seen"], by=signed_in(request)
        )
    except MovedMeanwhile as error:
        now = Task.objects.select_related("phase").filter(pk=task.pk).first()
        form.show_anew(own_tasks.wording_of(now) if now is not None else None)
        form.add_error(None, str(error))
        return False
    except OnboardingError as error:
        form.add_error("is_per_domain", str(error))
        return False
    return True


@act(Act.STEER)
@require_POST
def own_task_remove(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    try:
        own_tasks.remove_task(task, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"“{task.title}” was removed from the plan.")
    return back_to_plan(request, tenant, task)


def _show(
    request: HttpRequest, tenant: Tenant, form: OwnTaskForm, task: Task | None
) -> HttpResponse:
    status = 422 if request.method == "POST" else 200
    context = {"tenant": tenant, "task": task, "form": form}
    return render(request, "onboarding/own_task_edit.html", context, status=status)
