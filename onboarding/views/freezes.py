"""Freezes that hold for every tenant of the installation."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.cutovers import freezes
from onboarding.forms.dates import FreezeForm
from onboarding.views.shared import signed_in
from tenants.access import act
from tenants.permissions import Act


@act(Act.SET_FREEZES)
@require_http_methods(["GET", "POST"])
def freezes_show(request: HttpRequest) -> HttpResponse:
    form = FreezeForm(request.POST or None)
    if form.is_valid():
        freezes.add_freeze(form.instance, by=signed_in(request))
        return redirect("onboarding:freezes")
    context = {"freezes": list(freezes.freezes_of_everybody()), "form": form}
    return render(request, "onboarding/freezes.html", context, status=422 if form.errors else 200)


@act(Act.SET_FREEZES)
@require_POST
def freeze_remove(request: HttpRequest, common_freeze_id: str) -> HttpResponse:
    kept = get_object_or_404(freezes.freezes_of_everybody(), public_id=common_freeze_id)
    freezes.remove_freeze(kept, by=signed_in(request))
    return redirect("onboarding:freezes")
