"""Account pages that the sign-in library lacks."""

from __future__ import annotations

from typing import cast

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.views import IndexView
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from tenants.installation_setup.decisions import is_finished
from tenants.models import User
from tenants.second_factor import must_set_up


@require_GET
def second_factor(request: HttpRequest) -> HttpResponse:
    """The library's page, with a notice for users who must set up a second factor first."""
    user = cast(User, request.user)
    context = {"must_set_up": must_set_up(user), "is_set_up": is_finished}
    response: HttpResponse = IndexView.as_view(extra_context=context)(request)
    return response


@require_GET
def totp_picture(request: HttpRequest) -> HttpResponse:
    """The new TOTP seed as a QR code. The content security policy forbids an inline image."""
    secret = request.session.get(SECRET_SESSION_KEY)
    if not secret:
        raise Http404("No authenticator app is being set up.")
    adapter = get_adapter()
    picture = adapter.build_totp_svg(adapter.build_totp_url(request.user, secret))
    return HttpResponse(picture, content_type="image/svg+xml")


@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    for session in UserSession.objects.filter(user=request.user):
        session.end()
    logout(request)
    return redirect("account_login")
