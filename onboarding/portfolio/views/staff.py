"""The staff of the installation and the audit log, for administrators."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from onboarding.error_responses import errors_as_message, errors_on_form, form_page
from onboarding.lifecycle import offboarding
from onboarding.plans.tenant_page import current_user
from tenants import people
from tenants.access import require
from tenants.forms import NewStaffForm, StaffForm
from tenants.models import ActivityLine, User
from tenants.permissions import Permission
from tenants.queries import all_people, people_with_role_or_directory
from tenants.tasks import queue_welcome_email
from tenants.throttle import throttled
from tenants.tokens import site_url


@require(Permission.MANAGE_STAFF)
@require_GET
def staff_show(request: HttpRequest) -> HttpResponse:
    return _show(request, NewStaffForm())


def _show(request: HttpRequest, form: NewStaffForm) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()
    found = all_people()
    if wanted:
        found = found.filter(Q(name__icontains=wanted) | Q(email__icontains=wanted))
    context = {
        "found": Paginator(found, 50).get_page(request.GET.get("page")),
        "wanted": wanted,
        "roles": [choice for choice in User.StaffRole.choices if choice[0]],
        "consultants": list(
            User.objects.filter(staff_role=User.StaffRole.CONSULTANT, origin_id="").order_by("name")
        ),
        "form": form,
    }
    status = 422 if form.is_bound else 200
    return render(request, "portfolio/staff_list.html", context, status=status)


@require(Permission.MANAGE_STAFF)
@require_POST
@throttled("invitations", "20/h")
def staff_add(request: HttpRequest) -> HttpResponse:
    form = NewStaffForm(request.POST)
    if not form.is_valid():
        return _show(request, form)
    typed = form.cleaned_data
    with transaction.atomic():
        person = people.add_staff(
            typed["name"], typed["email"], typed["role"], by=current_user(request)
        )
        queue_welcome_email(person, site_url(request))
    messages.success(request, f"{person} was added. Gangway sends them a link to set a password.")
    return redirect("onboarding:staff")


@require(Permission.MANAGE_STAFF)
@require_GET
def installation_log(request: HttpRequest) -> HttpResponse:
    """The audit log: sign-ins, staff changes and erasures."""
    lines = ActivityLine.objects.filter(tenant=None).select_related("actor")
    lines = lines.prefetch_related("erasable_addresses")
    found = Paginator(lines, 100).get_page(request.GET.get("page"))
    return render(request, "portfolio/audit_log_list.html", {"found": found})


def _person(person_id: str) -> User:
    return get_object_or_404(
        User.objects.prefetch_related("followed_consultants"), public_id=person_id
    )


@require(Permission.MANAGE_STAFF)
@require_POST
def staff_change(request: HttpRequest, person_id: str) -> HttpResponse:
    person = get_object_or_404(people_with_role_or_directory(), public_id=person_id)
    form = StaffForm(request.POST)
    if form.is_valid():
        with errors_on_form(form, "role"):
            people.change_staff(person, *form.role_and_followed(), by=current_user(request))
            messages.success(
                request, f"{person}’s role is saved. It applies from their next request."
            )
            return redirect("onboarding:staff")
    back = reverse("onboarding:staff")
    return form_page(request, form, title=f"Role of {person}", button="Save", back=back)


@require(Permission.MANAGE_STAFF)
@require_POST
def person_deactivate(request: HttpRequest, person_id: str) -> HttpResponse:
    person = _person(person_id)
    with errors_as_message(request):
        offboarding.deactivate_user(person, by=current_user(request))
        messages.success(request, f"{person} is deactivated, and their share links are revoked.")
    return redirect("onboarding:staff")


@require(Permission.MANAGE_STAFF)
@require_POST
def person_activate(request: HttpRequest, person_id: str) -> HttpResponse:
    person = _person(person_id)
    people.activate(person, by=current_user(request))
    messages.success(request, f"{person} can sign in again.")
    return redirect("onboarding:staff")
