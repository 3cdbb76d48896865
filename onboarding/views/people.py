"""A tenant's people: members, invitations and hand-off links."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from onboarding import leaving
from onboarding.contacts import contacts_of, missing_parts
from onboarding.handoffs import DAYS, hand_offs_of
from onboarding.views.shared import load_page, signed_in
from tenants import invitations, people
from tenants.access import act, tenant_or_404
from tenants.errors import TenantError
from tenants.forms import InviteForm, RoleForm
from tenants.links import site_address
from tenants.models import Invitation, Membership, Tenant
from tenants.permissions import Act
from tenants.queries import members_of, pending_invitations
from tenants.tasks import send_invitation_soon
from tenants.throttle import throttled

SHOWN_HAND_OFFS = 50


@act(Act.SEE_PEOPLE)
@require_GET
def people_show(request: HttpRequest, public_id: str) -> HttpResponse:
    return _show(request, public_id, InviteForm())


def _show(request: HttpRequest, public_id: str, form: InviteForm) -> HttpResponse:
    page = load_page(request, public_id)
    tenant = page.tenant
    named = list(contacts_of(tenant))
    context = {
        "page": page,
        "tab": "people",
        "members": list(members_of(tenant)),
        "roles": Membership.Role.choices,
        "contacts": named,
        "missing_parts": missing_parts(named),
        "form": form,
        "days": DAYS,
        "invitations": list(pending_invitations(tenant)) if page.may_manage_people else [],
        "hand_offs": list(hand_offs_of(tenant)[:SHOWN_HAND_OFFS]) if page.may_see_links else [],
    }
    status = 422 if form.is_bound else 200
    return render(request, "onboarding/people.html", context, status=status)


def _back(tenant: Tenant) -> HttpResponse:
    return redirect("onboarding:people", public_id=tenant.public_id)


@act(Act.INVITE)
@require_POST
@throttled("invite", "30/h")
def invite(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _show(request, public_id, form)
    try:
        invitation = invitations.invite(tenant, **form.cleaned_data, by=signed_in(request))
    except TenantError as error:
        form.add_error("email", str(error))
        return _show(request, public_id, form)
    send_invitation_soon(invitation, site_address(request))
    messages.success(request, f"The invitation to {invitation.email} is on its way.")
    return _back(tenant)


def _invitation(request: HttpRequest, public_id: str, invitation_id: str) -> Invitation:
    tenant = tenant_or_404(request, public_id)
    return get_object_or_404(
        Invitation.objects.select_related("tenant"), tenant=tenant, public_id=invitation_id
    )


@act(Act.INVITE)
@require_POST
@throttled("invite", "30/h")
def invitation_resend(request: HttpRequest, public_id: str, invitation_id: str) -> HttpResponse:
    invitation = _invitation(request, public_id, invitation_id)
    try:
        invitations.renew(invitation, by=signed_in(request))
    except TenantError as error:
        messages.error(request, str(error))
    else:
        send_invitation_soon(invitation, site_address(request))
        messages.success(
            request, f"A new link is on its way to {invitation.email}; the old one no longer works."
        )
    return _back(invitation.tenant)


@act(Act.MANAGE_PEOPLE)
@require_POST
def invitation_revoke(request: HttpRequest, public_id: str, invitation_id: str) -> HttpResponse:
    invitation = _invitation(request, public_id, invitation_id)
    try:
        invitations.revoke(invitation, by=signed_in(request))
    except TenantError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"The invitation to {invitation.email} no longer works.")
    return _back(invitation.tenant)


def _membership(request: HttpRequest, public_id: str, person_id: str) -> Membership:
    tenant = tenant_or_404(request, public_id)
    return get_object_or_404(members_of(tenant), user__public_id=person_id)


@act(Act.MANAGE_PEOPLE)
@require_POST
def person_role(request: HttpRequest, public_id: str, person_id: str) -> HttpResponse:
    membership = _membership(request, public_id, person_id)
    form = RoleForm(request.POST)
    try:
        if not form.is_valid():
            raise people.PeopleError("Choose owner, member or viewer. Nothing was changed.")
        people.change_role(membership, form.cleaned_data["role"], by=signed_in(request))
    except TenantError as error:
        messages.error(request, str(error))
    return _back(tenant_or_404(request, public_id))


@act(Act.MANAGE_PEOPLE)
@require_POST
def person_remove(request: HttpRequest, public_id: str, person_id: str) -> HttpResponse:
    membership = _membership(request, public_id, person_id)
    try:
        leaving.remove_person(membership, by=signed_in(request))
    except TenantError as error:
        messages.error(request, str(error))
        return _back(tenant_or_404(request, public_id))
    messages.success(
        request, f"{membership.user} is out, signed out everywhere, and their links are withdrawn."
    )
    if membership.user == request.user:
        return redirect("onboarding:home")
    return _back(tenant_or_404(request, public_id))
