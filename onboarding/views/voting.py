"""Naming a cutover's approvers, and their votes."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from onboarding.cutovers import voting
from onboarding.errors import OnboardingError
from onboarding.forms.cutovers import ApproversForm, BallotForm
from onboarding.views.cutover import back_to_room, load_room
from onboarding.views.shared import signed_in
from tenants.access import act
from tenants.permissions import Act


@act(Act.STEER)
@require_POST
def approvers(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = ApproversForm(request.POST, tenant=room.page.tenant)
    if not form.is_valid():
        messages.error(request, "Choose one of the people offered. Nobody was named.")
        return back_to_room(public_id, cutover_id)
    try:
        voting.name_approvers(room.cutover, **form.cleaned_data, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    return back_to_room(public_id, cutover_id)


@act(Act.VOTE)
@require_POST
def vote(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = BallotForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say go or no-go. Nothing was recorded.")
        return back_to_room(public_id, cutover_id)
    try:
        voting.cast(room.cutover, form.ballot, room.rows, room.facts, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    return back_to_room(public_id, cutover_id)
