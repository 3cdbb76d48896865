"""Hand-off links: making and revoking one, and the page behind it, which needs no account."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from checks.tasks import look_now
from onboarding import handoffs
from onboarding.errors import OnboardingError
from onboarding.forms.profile import HandOffForm
from onboarding.models import HandOff, Task
from onboarding.views.shared import load_page, show, signed_in
from tenants.access import act, tenant_or_404
from tenants.links import LinkState, Purpose, site_address
from tenants.models import Domain
from tenants.permissions import Act
from tenants.throttle import throttled
from tenants.views import refuse_link

# --- For those who send


@act(Act.HAND_OFF)
@require_POST
@never_cache
@throttled("hand-off", "60/h")
def task_hand_off(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    task = get_object_or_404(Task, plan=tenant.plan, public_id=task_id)
    return _make(request, public_id, task)


@act(Act.HAND_OFF)
@require_POST
@never_cache
@throttled("hand-off", "60/h")
def domain_hand_off(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    domain_id = request.POST.get("domain", "")
    domain = get_object_or_404(Domain, tenant=tenant, public_id=domain_id)
    return _make(request, public_id, domain)


def _make(request: HttpRequest, public_id: str, subject: Task | Domain) -> HttpResponse:
    """The link is shown in the answer itself, once: nothing stored could show it again."""
    page = load_page(request, public_id)
    form = HandOffForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say who it is for, and for how many days. No link was made.")
        return redirect("onboarding:people", public_id=public_id)
    try:
        made, token = handoffs.hand_off(
            page.plan, subject, **form.cleaned_data, by=signed_in(request)
        )
    except OnboardingError as error:
        messages.error(request, str(error))
        return redirect("onboarding:people", public_id=public_id)
    link = site_address(request) + reverse("onboarding:hand-off", args=[token])
    context = {"page": page, "tab": "people", "made": made, "link": link}
    return render(request, "onboarding/hand_off_made.html", context)


@act(Act.HAND_OFF)
@require_POST
def hand_off_revoke(request: HttpRequest, public_id: str, hand_off_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    made = get_object_or_404(handoffs.hand_offs_of(tenant), public_id=hand_off_id)
    handoffs.revoke(made, by=signed_in(request))
    messages.success(request, f"The link for {made.recipient} no longer works.")
    return redirect("onboarding:people", public_id=public_id)


# --- For those who open the link


def _open(request: HttpRequest, token: str) -> HandOff | HttpResponse:
    """The hand-off, or the answer that tells why there is none."""
    state, found = handoffs.find(token)
    if found is not None and state is LinkState.OPEN:
        return found
    if found is not None:
        handoffs.note_act(found, "handoff-refused")
    return refuse_link(request, Purpose.HAND_OFF, state, found.public_id if found else "")


@login_not_required
@never_cache
@throttled("hand-off-view", "240/h", methods=("GET",))
@require_GET
def hand_off(request: HttpRequest, token: str) -> HttpResponse:
    found = _open(request, token)
    if isinstance(found, HttpResponse):
        return found
    handoffs.note_view(found)
    context: dict[str, Any] = {"sheet": handoffs.sheet_of(found), "token": token}
    return show(request, "onboarding/hand_off.html", "sheet", context)


@login_not_required
@never_cache
@throttled("hand-off-revision", "3000/h", methods=("GET",))
@require_GET
def hand_off_revision(request: HttpRequest, token: str) -> HttpResponse:
    """Whether anything shown has changed: an open page asks every other second."""
    state, found = handoffs.find(token)
    if found is None or state is not LinkState.OPEN:
        raise Http404("No such link.")
    return HttpResponse(handoffs.sheet_of(found).revision, content_type="text/plain")


@login_not_required
@never_cache
@throttled("hand-off-look", "30/h")
@require_POST
def hand_off_look(request: HttpRequest, token: str) -> HttpResponse:
    found = _open(request, token)
    if isinstance(found, HttpResponse):
        return found
    handoffs.note_act(found, "handoff-look")
    look_now(handoffs.sheet_of(found).checks)
    messages.success(request, "We are looking now. This page shows what we see within seconds.")
    return redirect("onboarding:hand-off", token=token)
