"""The page of the pre-flight check. It uses no network and records nothing."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from checks.engine.zone_text import ZoneNote
from onboarding.cutovers.forms import ProposalForm
from onboarding.cutovers.preflight import (
    PREFLIGHT_LIMIT,
    PreflightRow,
    UnusableProposal,
    check_proposal,
)
from onboarding.cutovers.views.room import load_room
from onboarding.error_responses import errors_on_form
from tenants.access import require
from tenants.permissions import Permission
from tenants.throttle import throttled


@require(Permission.VIEW)
@throttled(*PREFLIGHT_LIMIT)
@require_http_methods(["GET", "POST"])
def pre_flight(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = ProposalForm(request.POST or None, cutover=room.cutover)
    results: list[PreflightRow] = []
    notes: list[ZoneNote] = []
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form) as attempt:
            found = check_proposal(room.page.tenant, **form.cleaned_data)
            results, notes = found.rows, found.notes
        if isinstance(attempt.error, UnusableProposal):
            notes = attempt.error.notes
    context = {"page": room.page, "cutover": room.cutover, "tab": "cutovers", "notes": notes}
    status = 422 if form.errors else 200
    return render(
        request,
        "cutovers/preflight_check.html",
        context | {"form": form, "results": results},
        status=status,
    )
