"""Account pages that the sign-in library does not have."""

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

from tenants.models import User
from tenants.second_factor import must_set_up


@require_GET
def second_factor(request: HttpRequest) -> HttpResponse:
    """The library's page, told whether this person may go anywhere else."""
    user = cast(User, request.user)
    response: HttpResponse = IndexView.as_view(extra_context={"must_set_up": must_set_up(user)})(
        request
    )
    return response


@require_GET
def totp_picture(request: HttpRequest) -> HttpResponse:
    """The seed being set up, as a picture to scan; our content policy allows none inside a page."""
    secret = request.session.get(SECRET_SESSION_KEY)
    if not secret:
        raise Http404("Nothing is being set up.")
    adapter = get_adapter()
    picture = adapter.build_totp_svg(adapter.build_totp_url(request.user, secret))
    return HttpResponse(picture, content_type="image/svg+xml")


@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    for session in UserSession.objects.filter(user=request.user):
        session.end()
    logout(request)
    return redirect("account_login")
