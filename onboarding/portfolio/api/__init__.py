"""Endpoints of the risks of all tenants, and of the staff of the installation.

Entry point: `urlpatterns`, which `onboarding.api_urls` includes.
"""

from __future__ import annotations

from onboarding.portfolio.api import risks, staff

urlpatterns = [*risks.urlpatterns, *staff.urlpatterns]
