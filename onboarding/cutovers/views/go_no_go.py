"""Views that set the approvers of a cutover and record their votes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from onboarding.cutovers import go_no_go
from onboarding.cutovers.forms import ApproversForm, VoteForm
from onboarding.cutovers.views.room import back_to_room, load_room, show_room
from onboarding.error_responses import errors_on_form
from onboarding.plans.tenant_page import current_user
from tenants.access import require
from tenants.permissions import Permission


@require(Permission.MANAGE_PLAN)
@require_POST
def approvers(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = ApproversForm.of(room.cutover, request.POST)
    if form.is_valid():
        with errors_on_form(form):
            go_no_go.name_approvers(room.cutover, **form.cleaned_data, by=current_user(request))
            return back_to_room(public_id, cutover_id)
    return show_room(request, room, approvers_form=form)


@require(Permission.VOTE)
@require_POST
def vote(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = VoteForm.of(request.POST)
    if form.is_valid():
        with errors_on_form(form):
            go_no_go.cast_vote(
                room.cutover, form.vote, room.rows, room.facts, by=current_user(request)
            )
            return back_to_room(public_id, cutover_id)
    return show_room(request, room, vote_form=form)
