"""Endpoints of comments, contacts, evidence files and share links.

Entry point: `tenant_urlpatterns`, which `onboarding.api_urls` includes.
"""

from __future__ import annotations

from onboarding.collaboration.api import comments, contacts, files, share_links

# Below tenants/<public_id>/.
tenant_urlpatterns = [
    *comments.tenant_urlpatterns,
    *contacts.tenant_urlpatterns,
    *files.tenant_urlpatterns,
    *share_links.tenant_urlpatterns,
]
