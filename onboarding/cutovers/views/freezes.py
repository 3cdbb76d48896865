"""Pages of the freezes that apply to all tenants."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.cutovers import freezes
from onboarding.plans.forms.dates import FreezeForm
from onboarding.plans.tenant_page import current_user
from tenants.access import require
from tenants.permissions import Permission


@require(Permission.EDIT_GLOBAL_FREEZES)
@require_http_methods(["GET", "POST"])
def freezes_show(request: HttpRequest) -> HttpResponse:
    form = FreezeForm(request.POST or None)
    if form.is_valid():
        freezes.add_freeze(form.instance, by=current_user(request))
        return redirect("onboarding:freezes")
    context = {"freezes": list(freezes.installation_freezes()), "form": form}
    return render(request, "cutovers/freeze_list.html", context, status=422 if form.errors else 200)


@require(Permission.EDIT_GLOBAL_FREEZES)
@require_POST
def freeze_remove(request: HttpRequest, common_freeze_id: str) -> HttpResponse:
    freeze = get_object_or_404(freezes.installation_freezes(), public_id=common_freeze_id)
    freezes.remove_freeze(freeze, by=current_user(request))
    return redirect("onboarding:freezes")
