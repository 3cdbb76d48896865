"""All URLs of onboarding, from each feature. Pages of a tenant are below t/<public_id>/.

Streams of open pages are below live/.
"""

from __future__ import annotations

from django.urls import include, path

from onboarding.calendar_feeds import urls as calendar_feeds
from onboarding.collaboration import urls as collaboration
from onboarding.cutovers import urls as cutovers
from onboarding.lifecycle import urls as lifecycle
from onboarding.monitoring import urls as monitoring
from onboarding.plan_templates import urls as plan_templates
from onboarding.plans import urls as plans
from onboarding.platform_exports import urls as platform_exports
from onboarding.portfolio import urls as portfolio
from onboarding.redirects import MOVED, MOVED_IN_TENANT, redirects
from onboarding.requirements import urls as requirements
from onboarding.webhooks import urls as webhooks

app_name = "onboarding"

installation_urlpatterns = [
    *portfolio.urlpatterns,
    *lifecycle.urlpatterns,
    *cutovers.urlpatterns,
    *plan_templates.urlpatterns,
    *collaboration.urlpatterns,
    *webhooks.urlpatterns,
    *calendar_feeds.urlpatterns,
]
tenant_urlpatterns = [
    *portfolio.tenant_urlpatterns,
    *lifecycle.tenant_urlpatterns,
    *monitoring.tenant_urlpatterns,
    *cutovers.tenant_urlpatterns,
    *plan_templates.tenant_urlpatterns,
    *requirements.tenant_urlpatterns,
    *collaboration.tenant_urlpatterns,
    *platform_exports.tenant_urlpatterns,
    *webhooks.tenant_urlpatterns,
    *calendar_feeds.tenant_urlpatterns,
    *plans.tenant_urlpatterns,
]
urlpatterns = [
    *installation_urlpatterns,
    path("t/<str:public_id>/", include(tenant_urlpatterns)),
    path("live/", include(portfolio.live_urlpatterns)),
    # Last: the path of a page takes precedence over a former path.
    *redirects(MOVED, installation_urlpatterns),
    path("t/<str:public_id>/", include([*redirects(MOVED_IN_TENANT, tenant_urlpatterns)])),
]
