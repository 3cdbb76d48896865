"""The page that upgrades one plan to a newer version of the template, after a preview."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from onboarding.error_responses import errors_as_message
from onboarding.models import Plan, PlanTemplate
from onboarding.plan_templates import upgrade
from onboarding.plans.tenant_page import current_user
from tenants.access import require, tenant_or_404
from tenants.permissions import Permission


@require(Permission.MANAGE_PLAN)
@require_http_methods(["GET", "POST"])
def plan_version(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    plan = Plan.objects.select_related("template", "tenant").get(tenant=tenant)
    newer = upgrade.newer_versions(plan)
    wanted = request.POST.get("to") or request.GET.get("to", "")
    target = upgrade.chosen_version(newer, wanted)
    if request.method == "POST" and target is not None:
        if _upgrade(request, plan, target):
            return redirect("onboarding:plan-show", public_id=public_id)
        plan = Plan.objects.select_related("template", "tenant").get(tenant=tenant)
        newer = upgrade.newer_versions(plan)
        target = upgrade.chosen_version(newer, wanted)
    change = upgrade.preview(plan, target) if target is not None else None
    context = {
        "tenant": tenant,
        "plan": plan,
        "newer": newer,
        "target": target,
        "change": change,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "plan_templates/plan_upgrade.html", context, status=status)


def _upgrade(request: HttpRequest, plan: Plan, target: PlanTemplate) -> bool:
    expected = request.POST.get("expected", "")
    with errors_as_message(request) as attempt:
        upgrade.upgrade_plan(
            plan,
            target,
            expected=int(expected) if expected.isdecimal() else 0,
            by=current_user(request),
        )
        messages.success(request, f"The plan is now at version {target.version}.")
    return attempt.succeeded
