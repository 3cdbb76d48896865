"""Endpoints of the tenants: profile, domains, hosts, region values, DNS scans and the sign-off.

Entry points: `urlpatterns` and `tenant_urlpatterns`, which `onboarding.api_urls` includes.
"""

from __future__ import annotations

from onboarding.lifecycle.api import closing, region_values, tenants

urlpatterns = [
    *tenants.urlpatterns,
]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    *tenants.tenant_urlpatterns,
    *region_values.tenant_urlpatterns,
    *closing.tenant_urlpatterns,
]
