"""The root URL configuration."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from onboarding import api_urls


@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    """The health check of load balancers: this process answers."""
    return HttpResponse("ok", content_type="text/plain")


urlpatterns = [
    path("health/", health, name="health"),
    path("accounts/", include("tenants.account_urls")),
    path("api/v1/", include("onboarding.api_urls")),
    path("admin/", include("onboarding.repairs.urls")),
    path("scim/v2/", include("onboarding.provisioning.urls")),
    path("live/api/v1/", include((api_urls.live_urlpatterns, "live-api"))),
    path("", include("tenants.urls")),
    path("", include("onboarding.urls")),
]

handler500 = "tenants.unavailable.error_page"
# The sign-in library reads this name. Django has no handler for 429.
handler429 = "tenants.throttle.too_many_requests"
