"""The installation's people, for administrators."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from onboarding import leaving
from onboarding.views.shared import signed_in
from tenants import people
from tenants.access import act
from tenants.errors import TenantError
from tenants.forms import ColleagueForm, StaffForm
from tenants.links import site_address
from tenants.models import ActivityLine, User
from tenants.permissions import Act
from tenants.queries import everybody
from tenants.tasks import queue_welcome
from tenants.throttle import throttled


@act(Act.MANAGE_STAFF)
@require_GET
def staff_show(request: HttpRequest) -> HttpResponse:
    return _show(request, ColleagueForm())


def _show(request: HttpRequest, form: ColleagueForm) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()
    found = everybody()
    if wanted:
        found = found.filter(Q(name__icontains=wanted) | Q(email__icontains=wanted))
    context = {
        "found": Paginator(found, 50).get_page(request.GET.get("page")),
        "wanted": wanted,
        "roles": [choice for choice in User.StaffRole.choices if choice[0]],
        "consultants": list(
            User.objects.filter(staff_role=User.StaffRole.CONSULTANT).order_by("name")
        ),
        "form": form,
    }
    status = 422 if form.is_bound else 200
    return render(request, "onboarding/staff.html", context, status=status)


@act(Act.MANAGE_STAFF)
@require_POST
@throttled("invitations", "20/h")
def staff_add(request: HttpRequest) -> HttpResponse:
    form = ColleagueForm(request.POST)
    if not form.is_valid():
        return _show(request, form)
    typed = form.cleaned_data
    with transaction.atomic():
        person = people.add_colleague(
            typed["name"], typed["email"], typed["role"], by=signed_in(request)
        )
        queue_welcome(person, site_address(request))
    messages.success(request, f"{person} is on the list; a link to set a password is on its way.")
    return redirect("onboarding:staff")


@act(Act.MANAGE_STAFF)
@require_GET
def installation_log(request: HttpRequest) -> HttpResponse:
    """What concerns no single tenant: sign-ins, people, erasures."""
    lines = ActivityLine.objects.filter(tenant=None).select_related("actor")
    found = Paginator(lines, 100).get_page(request.GET.get("page"))
    return render(request, "onboarding/installation_log.html", {"found": found})


def _person(person_id: str) -> User:
    return get_object_or_404(User.objects.prefetch_related("watches"), public_id=person_id)


@act(Act.MANAGE_STAFF)
@require_POST
def staff_change(request: HttpRequest, person_id: str) -> HttpResponse:
    person = get_object_or_404(
        User.objects.exclude(staff_role=User.StaffRole.NONE), public_id=person_id
    )
    form = StaffForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose a staff role from the list. Nothing was changed.")
        return redirect("onboarding:staff")
    role = form.cleaned_data["role"]
    watches = list(form.cleaned_data["watches"]) if role == User.StaffRole.MANAGER else []
    try:
        people.change_staff(person, role, watches, by=signed_in(request))
    except TenantError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{person}’s role is saved and counts from their next request.")
    return redirect("onboarding:staff")


@act(Act.MANAGE_STAFF)
@require_POST
def person_deactivate(request: HttpRequest, person_id: str) -> HttpResponse:
    person = _person(person_id)
    try:
        leaving.deactivate_person(person, by=signed_in(request))
    except TenantError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{person} is shut out, and their links are withdrawn.")
    return redirect("onboarding:staff")


@act(Act.MANAGE_STAFF)
@require_POST
def person_activate(request: HttpRequest, person_id: str) -> HttpResponse:
    person = _person(person_id)
    people.activate(person, by=signed_in(request))
    messages.success(request, f"{person} can sign in again.")
    return redirect("onboarding:staff")
