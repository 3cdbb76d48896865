"""Endpoints of the tenants: profile, domains, hosts, people, imports, closing, exports, erasure.

Entry points: `urlpatterns` and `tenant_urlpatterns`, which `onboarding.api_urls` includes.
"""

from __future__ import annotations

from onboarding.lifecycle.api import (
    archives,
    closing,
    offboarding,
    people,
    proposals,
    region_values,
    suggestions,
    tenant_imports,
    tenants,
)

urlpatterns = [
    *tenant_imports.urlpatterns,
    *archives.urlpatterns,
]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    *tenants.tenant_urlpatterns,
    *people.tenant_urlpatterns,
    *proposals.tenant_urlpatterns,
    *suggestions.tenant_urlpatterns,
    *offboarding.tenant_urlpatterns,
    *archives.tenant_urlpatterns,
    *region_values.tenant_urlpatterns,
    *closing.tenant_urlpatterns,
]
