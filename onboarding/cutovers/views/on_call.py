"""Views that put people on call for a cutover's window."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from onboarding.cutovers.forms import OnCallForm
from onboarding.cutovers.on_call import add_on_call, on_call_candidates, remove_on_call
from onboarding.cutovers.views.room import back_to_room, load_room, show_room
from onboarding.error_responses import errors_on_form
from onboarding.models import OnCall
from onboarding.plans.tenant_page import current_user
from tenants.access import require, tenant_or_404
from tenants.permissions import Permission


@require(Permission.MANAGE_PLAN)
@require_POST
def on_call_add(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = OnCallForm(request.POST, people=on_call_candidates(room.page.tenant))
    if form.is_valid():
        phone = form.cleaned_data["phone"]
        with errors_on_form(form):
            add_on_call(room.cutover, form.chosen, phone, by=current_user(request))
            return back_to_room(public_id, cutover_id)
    return show_room(request, room, on_call_form=form)


@require(Permission.MANAGE_PLAN)
@require_POST
def on_call_remove(
    request: HttpRequest, public_id: str, cutover_id: str, on_call_id: str
) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    on_call = get_object_or_404(
        OnCall,
        public_id=on_call_id,
        cutover__public_id=cutover_id,
        cutover__plan__tenant=tenant,
    )
    remove_on_call(on_call, by=current_user(request))
    return back_to_room(public_id, cutover_id)
