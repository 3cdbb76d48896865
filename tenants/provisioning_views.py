"""The page of SCIM provisioning: its address and its tokens, for administrators."""

from __future__ import annotations

from typing import cast

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenants import provisioning_tokens, staff_groups
from tenants.access import require
from tenants.errors import TenantError
from tenants.models import User
from tenants.permissions import Permission
from tenants.throttle import throttled
from tenants.tokens import site_url


@require(Permission.MANAGE_STAFF)
@require_GET
def provisioning_show(request: HttpRequest) -> HttpResponse:
    """The address for the directory, and the tokens."""
    context = {
        "tokens": provisioning_tokens.all_tokens(),
        "address": f"{site_url(request)}/scim/v2",
        "maps_groups": staff_groups.are_used(),
    }
    return render(request, "tenants/provisioning.html", context)


@require(Permission.MANAGE_STAFF)
@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth is untyped
@never_cache
@throttled("scim-token", "20/h")
def scim_token_create(request: HttpRequest) -> HttpResponse:
    """Confirm the creation. The answer to the form is the only page that shows the token."""
    if request.method == "GET":
        return render(request, "tenants/scim_token_create.html")
    try:
        _, text = provisioning_tokens.issue(by=cast(User, request.user))
    except TenantError as error:
        messages.error(request, str(error))
        return redirect("tenants:provisioning")
    return render(request, "tenants/scim_token_created.html", {"text": text})


@require(Permission.MANAGE_STAFF)
@require_POST
def scim_token_revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    token = get_object_or_404(provisioning_tokens.all_tokens(), public_id=token_id)
    provisioning_tokens.revoke(token, by=cast(User, request.user))
    messages.success(request, "The token no longer works.")
    return redirect("tenants:provisioning")
