"""The people of a tenant: members, invitations, contacts and share links."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from onboarding.collaboration.contacts import contacts_of, missing_roles
from onboarding.collaboration.share_links import share_links_of
from onboarding.error_responses import errors_as_message, errors_on_form, form_page
from onboarding.lifecycle import offboarding
from onboarding.models.files import LIFETIME_DAYS
from onboarding.plans.tenant_page import current_user, load_page
from tenants import invitations, people
from tenants.access import require, tenant_or_404
from tenants.forms import InviteForm, RoleForm
from tenants.models import Invitation, Membership, Tenant
from tenants.permissions import Permission, people_without
from tenants.queries import members_of, pending_invitations
from tenants.tasks import queue_invitation
from tenants.throttle import throttled
from tenants.tokens import site_url

MAX_SHARE_LINKS = 50


@require(Permission.VIEW_PEOPLE)
@require_GET
def people_show(request: HttpRequest, public_id: str) -> HttpResponse:
    return _show(request, public_id, InviteForm())


def _show(request: HttpRequest, public_id: str, form: InviteForm) -> HttpResponse:
    page, status = load_page(request, public_id), 422 if form.is_bound else 200
    tenant = page.tenant
    contacts, members = list(contacts_of(tenant)), list(members_of(tenant))
    invitations_shown = list(pending_invitations(tenant)) if page.may_manage_people else []
    links = list(share_links_of(tenant)[:MAX_SHARE_LINKS]) if page.may_view_share_links else []
    inviters, sharers = [i.invited_by for i in invitations_shown], [li.created_by for li in links]
    context = {
        "page": page,
        "tab": "people",
        "members": members,
        "roles": Membership.Role.choices,
        "contacts": contacts,
        "missing_roles": missing_roles(contacts),
        "form": form,
        "days": LIFETIME_DAYS,
        "invitations": invitations_shown,
        "share_links": links,
        # A link ends with the permission of its creator.
        "may_not_invite": people_without(Permission.INVITE, inviters, tenant, members),
        "may_not_share": people_without(Permission.SHARE, sharers, tenant, members),
    }
    return render(request, "lifecycle/people_show.html", context, status=status)


def _back(tenant: Tenant) -> HttpResponse:
    return redirect("onboarding:people", public_id=tenant.public_id)


@require(Permission.INVITE)
@require_POST
@throttled("invite", "30/h")
def invite(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _show(request, public_id, form)
    with errors_on_form(form, "email"), transaction.atomic():
        invitation = invitations.invite(tenant, **form.cleaned_data, by=current_user(request))
        queue_invitation(invitation, site_url(request))
        messages.success(request, f"Gangway sends the invitation to {invitation.email}.")
        return _back(tenant)
    return _show(request, public_id, form)


def _invitation(request: HttpRequest, public_id: str, invitation_id: str) -> Invitation:
    tenant = tenant_or_404(request, public_id)
    return get_object_or_404(
        Invitation.objects.select_related("tenant"), tenant=tenant, public_id=invitation_id
    )


@require(Permission.INVITE)
@require_POST
@throttled("invite", "30/h")
def invitation_resend(request: HttpRequest, public_id: str, invitation_id: str) -> HttpResponse:
    invitation = _invitation(request, public_id, invitation_id)
    with errors_as_message(request), transaction.atomic():
        invitations.renew(invitation, by=current_user(request))
        queue_invitation(invitation, site_url(request))
        messages.success(
            request,
            f"Gangway sends a new link to {invitation.email}. The old link no longer works.",
        )
    return _back(invitation.tenant)


@require(Permission.MANAGE_PEOPLE)
@require_POST
def invitation_revoke(request: HttpRequest, public_id: str, invitation_id: str) -> HttpResponse:
    invitation = _invitation(request, public_id, invitation_id)
    with errors_as_message(request):
        invitations.revoke(invitation, by=current_user(request))
        messages.success(request, f"The invitation to {invitation.email} no longer works.")
    return _back(invitation.tenant)


def _membership(request: HttpRequest, public_id: str, person_id: str) -> Membership:
    tenant = tenant_or_404(request, public_id)
    return get_object_or_404(members_of(tenant), user__public_id=person_id)


@require(Permission.MANAGE_PEOPLE)
@require_POST
def person_role(request: HttpRequest, public_id: str, person_id: str) -> HttpResponse:
    membership = _membership(request, public_id, person_id)
    tenant, form = tenant_or_404(request, public_id), RoleForm(request.POST)
    if form.is_valid():
        with errors_on_form(form, "role"):
            people.change_role(membership, form.cleaned_data["role"], by=current_user(request))
            return _back(tenant)
    return form_page(
        request,
        form,
        title=f"Role of {membership.user}",
        about=str(tenant),
        button="Save",
        back=reverse("onboarding:people", args=[public_id]),
    )


@require(Permission.MANAGE_PEOPLE)
@require_POST
def person_remove(request: HttpRequest, public_id: str, person_id: str) -> HttpResponse:
    membership = _membership(request, public_id, person_id)
    with errors_as_message(request):
        offboarding.remove_membership(membership, by=current_user(request))
        messages.success(
            request,
            f"{membership.user} is removed and signed out, and their share links are revoked.",
        )
        if membership.user == request.user:
            return redirect("onboarding:home")
    return _back(tenant_or_404(request, public_id))
