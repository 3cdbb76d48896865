"""The view that confirms the window of a cutover."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from onboarding.cutovers import window_confirmation
from onboarding.cutovers.forms import WindowForm
from onboarding.cutovers.views.room import back_to_room, load_room, show_room
from onboarding.error_responses import errors_on_form
from onboarding.plans.tenant_page import current_user
from tenants.access import require
from tenants.permissions import Permission


@require(Permission.MANAGE_PLAN)
@require_POST
def window_confirm(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = WindowForm.of(room.cutover, request.POST)
    if form.is_valid():
        # The requested length decides which days the window touches.
        room = replace(room, requested_minutes=form.confirmation.length_minutes)
        with errors_on_form(form):
            window_confirmation.confirm_window(
                room.cutover,
                form.confirmation,
                blockers=room.window_blockers,
                by=current_user(request),
            )
            return back_to_room(public_id, cutover_id)
    return show_room(request, room, window_form=form)
