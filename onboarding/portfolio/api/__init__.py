"""Endpoints of the list of tenants, its saved views, the risks of all tenants, and the staff.

Entry point: `urlpatterns`, which `onboarding.api_urls` includes.
"""

from __future__ import annotations

from onboarding.portfolio.api import risks, saved_views, staff, tenants

urlpatterns = [
    *tenants.urlpatterns,
    *saved_views.urlpatterns,
    *risks.urlpatterns,
    *staff.urlpatterns,
]
