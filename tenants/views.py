"""The page that accepts an invitation, and the glossary. No other page creates accounts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tenants import invitations
from tenants.access import require
from tenants.activity_names import ActivityName
from tenants.forms import FirstAdministratorForm, NewAccountForm
from tenants.glossary import terms
from tenants.installation_setup import administrators
from tenants.installation_setup.administrators import FirstAdministratorError
from tenants.invitations import InvitationError
from tenants.models import Invitation, User
from tenants.permissions import Permission
from tenants.services import write_activity
from tenants.throttle import throttled
from tenants.tokens import LinkPurpose, LinkState, log_refused_link

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
_STATUS = {LinkState.UNKNOWN: 404}


@require(Permission.OPEN_HOME)
@require_GET
def glossary(request: HttpRequest) -> HttpResponse:
    """The terms of e-mail and DNS in plain words."""
    return render(request, "tenants/glossary.html", {"terms": terms().values()})


def refuse_link(
    request: HttpRequest, purpose: LinkPurpose, state: LinkState, what: str = ""
) -> HttpResponse:
    """Show the page for links that do not work, and log the refusal."""
    log_refused_link(purpose, state, request, what)
    context = {"purpose": purpose, "state": state}
    status = _STATUS.get(state, 410)
    return render(request, "tenants/link_refused.html", context, status=status)


@login_not_required
@never_cache
@throttled("invitation", "60/h", methods=("GET", "POST"))
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    state, found = invitations.find(token)
    if found is None or state is not LinkState.OPEN:
        if found is not None:
            write_activity(
                found.tenant, ActivityName.INVITATION_REFUSED, email=found.email, reason=state.value
            )
        return refuse_link(request, LinkPurpose.INVITATION, state, found.public_id if found else "")
    if request.user.is_authenticated:
        return _accept_signed_in(request, found, request.user)
    account = User.objects.filter(email=found.email).first()
    if account is not None:
        return _page(request, found, account=account)
    return _accept_with_new_account(request, found)


def _page(request: HttpRequest, found: Invitation, status: int = 200, **more: Any) -> HttpResponse:
    context = {"invitation": found, **more}
    return render(request, "tenants/invitation_accept.html", context, status=status)


def _accept_signed_in(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    if user.email.lower() != found.email:
        write_activity(
            found.tenant,
            ActivityName.INVITATION_REFUSED,
            by=user,
            email=found.email,
            reason="other address",
        )
        return _page(request, found, status=403, is_for_another=True)
    if request.method == "GET":
        return _page(request, found, can_accept=True)
    try:
        invitations.accept(found, by=user)
    except InvitationError as error:
        messages.error(request, str(error))
        return redirect(request.path)
    return _redirect_to_tasks(found)


def _accept_with_new_account(request: HttpRequest, found: Invitation) -> HttpResponse:
    form = NewAccountForm(request.POST or None, email=found.email)
    if request.method == "GET" or not form.is_valid():
        return _page(request, found, status=200 if request.method == "GET" else 422, form=form)
    try:
        user = invitations.accept_with_new_account(
            found, name=form.cleaned_data["name"], password=form.cleaned_data["password"]
        )
    except InvitationError as error:
        messages.error(request, str(error))
        return redirect(request.path)
    login(request, user, backend=_BACKEND)
    return _redirect_to_tasks(found)


def _redirect_to_tasks(found: Invitation) -> HttpResponse:
    return redirect("onboarding:my-tasks", public_id=found.tenant.public_id)


@login_not_required
@never_cache
@throttled("setup-account", "60/h", methods=("GET", "POST"))
@require_http_methods(["GET", "POST"])
def setup_account(request: HttpRequest, token: str) -> HttpResponse:
    """Create the first administrator, who then sets up a second factor and the rest."""
    if not administrators.is_open(token):
        return render(request, "tenants/setup_link_refused.html", status=404)
    form = FirstAdministratorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = administrators.create_first_administrator(
                name=form.cleaned_data["name"],
                email=form.cleaned_data["address"],
                password=form.cleaned_data["password"],
            )
        except FirstAdministratorError as error:
            form.add_error(None, str(error))
        else:
            login(request, person, backend=_BACKEND)
            return redirect("onboarding:setup")
    status = 422 if request.method == "POST" else 200
    return render(request, "tenants/setup_account.html", {"form": form}, status=status)
