"""All addresses."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    """For load balancers: this process answers."""
    return HttpResponse("ok", content_type="text/plain")


urlpatterns = [
    path("health/", health, name="health"),
    path("accounts/", include("tenants.account_urls")),
    path("", include("tenants.urls")),
    path("", include("onboarding.urls")),
]

# The sign-in library asks for this one by name; Django itself knows no such handler.
handler429 = "tenants.throttle.too_many_requests"
