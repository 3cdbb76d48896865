"""Pages of the freezes and of Mimecast's holidays, which apply to all tenants."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.cutovers import freezes
from onboarding.plans.forms.dates import FreezeForm, HolidayForm
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
    return _show(request, form, HolidayForm(auto_id="id_holiday_%s"))


def _show(request: HttpRequest, form: FreezeForm, holiday_form: HolidayForm) -> HttpResponse:
    context = {
        "freezes": list(freezes.installation_freezes()),
        "form": form,
        "holidays": list(freezes.mimecast_holidays()),
        "holiday_form": holiday_form,
    }
    status = 422 if form.errors or holiday_form.errors else 200
    return render(request, "cutovers/freeze_list.html", context, status=status)


@require(Permission.EDIT_GLOBAL_FREEZES)
@require_POST
def freeze_remove(request: HttpRequest, common_freeze_id: str) -> HttpResponse:
    freeze = get_object_or_404(freezes.installation_freezes(), public_id=common_freeze_id)
    freezes.remove_freeze(freeze, by=current_user(request))
    return redirect("onboarding:freezes")


@require(Permission.EDIT_GLOBAL_FREEZES)
@require_POST
def holiday_add(request: HttpRequest) -> HttpResponse:
    form = HolidayForm(request.POST, auto_id="id_holiday_%s")
    if not form.is_valid():
        return _show(request, FreezeForm(), form)
    freezes.add_mimecast_holiday(form.instance, by=current_user(request))
    return redirect("onboarding:freezes")


@require(Permission.EDIT_GLOBAL_FREEZES)
@require_POST
def holiday_remove(request: HttpRequest, common_holiday_id: str) -> HttpResponse:
    holiday = get_object_or_404(freezes.mimecast_holidays(), public_id=common_holiday_id)
    freezes.remove_mimecast_holiday(holiday, by=current_user(request))
    return redirect("onboarding:freezes")
