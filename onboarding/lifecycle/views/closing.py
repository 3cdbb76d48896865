"""Signing off an implementation."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from onboarding.error_responses import errors_on_form
from onboarding.lifecycle import closing
from onboarding.lifecycle.forms.closing import SignOffForm
from onboarding.lifecycle.tasks import queue_pack
from onboarding.models import ClosingPack, Task, TaskRole
from onboarding.plans import services
from onboarding.plans.current_state import tenant_states
from onboarding.plans.tenant_page import current_user
from onboarding.plans.views.tasks import back_to_plan
from tenants.access import require, tenant_or_404
from tenants.permissions import Permission

COMPLETED_MESSAGE = (
    "The implementation is closed. The plan no longer changes, and the monitoring continues."
)


@require(Permission.CONFIRM)
@require_http_methods(["GET", "POST"])
def sign_off(request: HttpRequest, public_id: str) -> HttpResponse:
    """Sign off for one side, or show the tasks that are still open."""
    tenant = tenant_or_404(request, public_id)
    task = get_object_or_404(
        Task.objects.select_related("plan__tenant", "phase"),
        plan__tenant=tenant,
        role=TaskRole.CLOSURE,
    )
    form = SignOffForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = current_user(request)
        side = services.side_of(user, tenant)
        with errors_on_form(form, "reason"):
            closing.sign_off_implementation(
                task, by=user, side=side, reason=form.cleaned_data["reason"]
            )
            tenant.refresh_from_db()
            if tenant.completed_at is None:
                return back_to_plan(request, tenant, task)
            for pack in ClosingPack.objects.filter(tenant=tenant, ready_at=None):
                queue_pack(pack)
            messages.success(request, COMPLETED_MESSAGE)
            return redirect("onboarding:monitoring", public_id=public_id)
    title = "Sign off the implementation"
    context = {
        "tenant": tenant,
        "task": task,
        "title": title,
        "form": form,
        "state": tenant_states([tenant], now=timezone.now())[tenant.pk],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "plans/task_transition_confirm.html", context, status=status)
