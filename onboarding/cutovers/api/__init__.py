"""The endpoints of cutovers: planning and votes, their preparation, and freezes."""

from __future__ import annotations

from onboarding.cutovers.api import cutovers, freezes, preparation

urlpatterns = [*freezes.urlpatterns]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    *cutovers.tenant_urlpatterns,
    *preparation.tenant_urlpatterns,
    *freezes.tenant_urlpatterns,
]
