"""All addresses of the API, from each app and feature. Those of a tenant are below its id."""

from __future__ import annotations

from django.urls import include, path

from checks import api as checks
from onboarding.calendar_feeds import api as calendar_feeds
from onboarding.collaboration import api as collaboration
from onboarding.cutovers import api as cutovers
from onboarding.lifecycle import api as lifecycle
from onboarding.monitoring import api as monitoring
from onboarding.plan_templates import api as plan_templates
from onboarding.plans import api as plans
from onboarding.platform_exports import api as platform_exports
from onboarding.portfolio import api as portfolio
from onboarding.requirements import api as requirements
from onboarding.webhooks import api as webhooks
from tenants import api as tenants
from tenants import notification_api

app_name = "api"

# The requests that wait, below live/: the stream process answers them.
live_urlpatterns = [path("tenants/<str:public_id>/", include(checks.live_urlpatterns))]
installation_urlpatterns = [
    *tenants.urlpatterns,
    *notification_api.urlpatterns,
    *lifecycle.urlpatterns,
    *plans.urlpatterns,
    *cutovers.urlpatterns,
    *plan_templates.urlpatterns,
    *portfolio.urlpatterns,
    *calendar_feeds.urlpatterns,
    *webhooks.urlpatterns,
]
tenant_urlpatterns = [
    *lifecycle.tenant_urlpatterns,
    *tenants.tenant_urlpatterns,
    *plans.tenant_urlpatterns,
    *plan_templates.tenant_urlpatterns,
    *checks.tenant_urlpatterns,
    *requirements.tenant_urlpatterns,
    *cutovers.tenant_urlpatterns,
    *collaboration.tenant_urlpatterns,
    *platform_exports.tenant_urlpatterns,
    *monitoring.tenant_urlpatterns,
    *webhooks.tenant_urlpatterns,
]
urlpatterns = [
    *installation_urlpatterns,
    path("tenants/<str:public_id>/", include(tenant_urlpatterns)),
]
