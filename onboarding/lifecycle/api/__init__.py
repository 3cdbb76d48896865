"""Endpoints of the tenants: profile, domains, hosts, people, closing, exports and erasure.

Entry points: `urlpatterns` and `tenant_urlpatterns`, which `onboarding.api_urls` includes.
"""

from __future__ import annotations

from onboarding.lifecycle.api import offboarding, people, tenants

urlpatterns = [
    *tenants.urlpatterns,
]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    *tenants.tenant_urlpatterns,
    *people.tenant_urlpatterns,
    *offboarding.tenant_urlpatterns,
]
