"""The button that adds a host of the sheet of delivery routes to the profile."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from onboarding.error_responses import errors_as_message
from onboarding.lifecycle.hosts_from_sheet import add_host_from_sheet
from onboarding.plans.tenant_page import current_user
from onboarding.requirements.queries import sheets_of
from tenants.access import require, tenant_or_404
from tenants.permissions import Permission


@require(Permission.EDIT_PROFILE)
@require_POST
def host_from_sheet(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = get_object_or_404(sheets_of(tenant_or_404(request, public_id)), public_id=sheet_id)
    with errors_as_message(request):
        host = add_host_from_sheet(sheet, request.POST.get("host", ""), by=current_user(request))
        messages.success(
            request,
            f"{host} was added to the profile. Gangway connects to it when you have recorded the "
            "client’s consent, or if it is below a domain with verified ownership.",
        )
    return redirect("onboarding:requirements-sheet", public_id=public_id, sheet_id=sheet_id)
