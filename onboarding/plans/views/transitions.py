"""Views of a task's manual status, its undo, and its single domains."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.error_responses import catch_errors, errors_as_message, errors_on_form
from onboarding.errors import ConflictingChange
from onboarding.models import Task
from onboarding.plans import services
from onboarding.plans.forms.transitions import ExemptionForm, TransitionForm
from onboarding.plans.tenant_page import current_user
from onboarding.plans.transitions import STATUS_CHANGES, Transition, why_not
from onboarding.plans.views.tasks import back_to_plan, load_task, side_in
from tenants.access import require
from tenants.models import Domain, Tenant
from tenants.permissions import Permission


@require(Permission.CONFIRM)
@require_http_methods(["GET", "POST"])
def task_transition(
    request: HttpRequest, public_id: str, task_id: str, transition: str
) -> HttpResponse:
    """The form for a reason and an end date. A change without a reason needs a single POST."""
    tenant, task = load_task(request, public_id, task_id)
    wanted = STATUS_CHANGES.get(transition)
    if wanted is None:
        raise Http404("No such transition.")
    form = TransitionForm(request.POST or None, transition=wanted, tenant=tenant, task=task)
    if request.method == "POST" and form.is_valid():
        if _make_transition(request, tenant, task, wanted, form):
            return back_to_plan(request, tenant, task)
    elif request.method == "GET":
        _refuse_early(request, tenant, task, wanted)
    context = {"tenant": tenant, "task": task, "title": wanted.label, "form": form}
    status = 422 if request.method == "POST" else 200
    return render(request, "plans/task_transition_confirm.html", context, status=status)


def _refuse_early(request: HttpRequest, tenant: Tenant, task: Task, transition: Transition) -> None:
    """Show a refusal before the user types a reason."""
    actor = services.actor_for(current_user(request), tenant)
    refused = why_not(task, transition, actor)
    if refused:
        messages.error(request, refused)


def _make_transition(
    request: HttpRequest, tenant: Tenant, task: Task, transition: Transition, form: TransitionForm
) -> bool:
    """Whether the status was changed; otherwise the form shows the error and the typed values."""
    user = current_user(request)
    with catch_errors() as attempt:
        services.make_transition(
            task,
            transition.key,
            by=user,
            actor=services.actor_for(user, tenant),
            reason=form.cleaned_data["reason"],
            until=form.cleaned_data["until"],
            expected=form.cleaned_data["expected"],
        )
        return True
    if isinstance(attempt.error, ConflictingChange):
        form.show_conflict(Task.objects.get(pk=task.pk), str(attempt.error))
    else:
        form.add_error(None, str(attempt.error))
    return False


@require(Permission.CONFIRM)
@require_POST
def task_undo(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    user = current_user(request)
    expected = request.POST.get("expected", "")
    with errors_as_message(request):
        services.undo_last_action(task, by=user, expected=expected)
    return back_to_plan(request, tenant, task)


# --- Single domains


@require(Permission.CONFIRM)
@require_POST
def task_domain_confirm(
    request: HttpRequest, public_id: str, task_id: str, domain_id: str
) -> HttpResponse:
    confirm = functools.partial(services.confirm_task, expected=request.POST.get("expected", ""))
    return _change_domain_confirmation(request, public_id, task_id, domain_id, confirm)


@require(Permission.CONFIRM)
@require_POST
def task_domain_withdraw(
    request: HttpRequest, public_id: str, task_id: str, domain_id: str
) -> HttpResponse:
    return _change_domain_confirmation(
        request, public_id, task_id, domain_id, services.withdraw_confirmation
    )


def _change_domain_confirmation(
    request: HttpRequest,
    public_id: str,
    task_id: str,
    domain_id: str,
    change: Callable[..., object],
) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    domain = _load_domain(tenant, domain_id)
    user = current_user(request)
    side = side_in(request, public_id)
    with errors_as_message(request):
        change(task, by=user, side=side, domain=domain)
    return back_to_plan(request, tenant, task)


@require(Permission.MANAGE_PLAN)
@require_http_methods(["GET", "POST"])
def task_domain_exempt(
    request: HttpRequest, public_id: str, task_id: str, domain_id: str
) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    domain = _load_domain(tenant, domain_id)
    form = ExemptionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        with errors_on_form(form, "reason"):
            services.exempt_domain(task, domain, by=current_user(request), reason=reason)
            return back_to_plan(request, tenant, task)
    context: dict[str, Any] = {
        "tenant": tenant,
        "task": task,
        "title": f"Exempt {domain}",
        "form": form,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "plans/task_transition_confirm.html", context, status=status)


@require(Permission.MANAGE_PLAN)
@require_POST
def task_domain_include(
    request: HttpRequest, public_id: str, task_id: str, domain_id: str
) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    domain = _load_domain(tenant, domain_id)
    with errors_as_message(request):
        services.end_exemption(task, domain, by=current_user(request))
    return back_to_plan(request, tenant, task)


def _load_domain(tenant: Tenant, domain_id: str) -> Domain:
    return get_object_or_404(Domain, tenant=tenant, public_id=domain_id)
