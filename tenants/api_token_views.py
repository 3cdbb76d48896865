"""Pages of API tokens, one's own and all of them for administrators, and the API documentation."""

from __future__ import annotations

from typing import cast

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenants import api_tokens
from tenants.access import require
from tenants.errors import TenantError
from tenants.forms import ApiTokenForm
from tenants.models import ApiToken, User
from tenants.permissions import Permission
from tenants.throttle import throttled


@require_GET
def token_list(request: HttpRequest) -> HttpResponse:
    tokens = api_tokens.tokens_of(cast(User, request.user))
    return render(request, "tenants/token_list.html", {"tokens": tokens})


@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth is untyped
@never_cache
@throttled("api-token", "20/h")
def token_create(request: HttpRequest) -> HttpResponse:
    """The form of a new token. The answer to a valid form is the only page that shows the token."""
    owner = cast(User, request.user)
    form = ApiTokenForm(request.POST or None, owner=owner)
    if request.method == "POST" and form.is_valid():
        made = _issue(form, owner)
        if made is not None:
            token, text = made
            context = {"token": token, "text": text}
            return render(request, "tenants/token_created.html", context)
    status = 422 if request.method == "POST" else 200
    return render(request, "tenants/token_create.html", {"form": form}, status=status)


def _issue(form: ApiTokenForm, owner: User) -> tuple[ApiToken, str] | None:
    """The new token with its text; None if the form shows the reason of a refusal."""
    entered = form.cleaned_data
    try:
        return api_tokens.issue(
            owner=owner,
            name=entered["name"],
            scope=entered["scope"],
            tenant=entered["tenant"],
            expires_at=form.expires_at,
        )
    except TenantError as error:
        form.add_error("expires_on", str(error))
        return None


@require_POST
def token_revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    user = cast(User, request.user)
    token = get_object_or_404(api_tokens.tokens_of(user), public_id=token_id)
    _revoke(request, token)
    return redirect("api_tokens")


def _revoke(request: HttpRequest, token: ApiToken) -> None:
    api_tokens.revoke(token, by=cast(User, request.user))
    messages.success(request, f"The token {token.name} no longer works.")


@require(Permission.MANAGE_STAFF)
@require_GET
def all_tokens(request: HttpRequest) -> HttpResponse:
    found = Paginator(api_tokens.all_tokens(), 50).get_page(request.GET.get("page"))
    return render(request, "tenants/token_list_all.html", {"found": found})


@require(Permission.MANAGE_STAFF)
@require_POST
def any_token_revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    token = get_object_or_404(api_tokens.all_tokens(), public_id=token_id)
    _revoke(request, token)
    return redirect("tenants:token-list")


@require(Permission.OPEN_HOME)
@require_GET
def api_docs(request: HttpRequest) -> HttpResponse:
    """The documentation of the API, by Swagger UI from the OpenAPI schema."""
    return render(request, "tenants/api_docs.html")
