"""Endpoints of the requirements sheets: rows, sign-offs, suggestions and imports.

Entry point: `tenant_urlpatterns`, which `onboarding.api_urls` includes.
"""

from __future__ import annotations

from onboarding.requirements.api import imports, sheets, suggestions

# Below tenants/<public_id>/.
tenant_urlpatterns = [
    *sheets.tenant_urlpatterns,
    *suggestions.tenant_urlpatterns,
    *imports.tenant_urlpatterns,
]
